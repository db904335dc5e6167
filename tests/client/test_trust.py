"""Certificates that change while a client lives."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
from contextlib import closing

import pytest
import trustme

from tests.client.scripted import Reply, ScriptedVault, secret
from vaultconfig import errors


class TlsVault:
    """A scripted vault behind TLS, whose certificate can be issued anew by another authority."""

    def __init__(self, vault: ScriptedVault) -> None:
        self.vault = vault
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        vault.server.socket = self._context.wrap_socket(
            vault.server.socket, server_side=True, do_handshake_on_connect=False
        )
        vault.url = f"https://localhost:{vault.server.server_port}"
        vault.script(Reply(body=secret()))

    def issue(self, authority: trustme.CA) -> None:
        authority.issue_cert("localhost").configure_cert(self._context)

    @property
    def connections(self) -> int:
        return len({asked.port for asked in self.vault.asked})


@pytest.fixture(scope="module")
def authorities() -> tuple[trustme.CA, trustme.CA]:
    return trustme.CA(), trustme.CA()


@pytest.fixture
def tls(vault, authorities) -> TlsVault:
    tls = TlsVault(vault)
    tls.issue(authorities[0])
    return tls


@pytest.fixture
def bundle(tmp_path, monkeypatch, authorities):
    path = tmp_path / "ca.pem"
    authorities[0].cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


def hang_up(tls) -> None:
    """Have the server close its connection after the next answer."""
    tls.vault.script(Reply(body=secret(), headers={"Connection": "close"}))


def replace(path, authority, tmp_path) -> None:
    new = tmp_path / "new.pem"
    authority.cert_pem.write_to_path(new)
    new.replace(path)


@pytest.mark.parametrize("how", ["replaced", "rewritten"])
def test_a_bundle_that_changes(tls, connect, bundle, authorities, tmp_path, how):
    """The certificates of a bundle that was replaced, or rewritten in place, count at once."""
    client = connect()
    hang_up(tls)
    assert client.read("a/b").version == 1
    if how == "replaced":
        replace(bundle, authorities[1], tmp_path)
    else:
        bundle.write_bytes(authorities[1].cert_pem.bytes() + b"\n")
    tls.issue(authorities[1])
    assert client.read_many(["a/b"], retry=False)["a/b"].version == 1


def test_a_bundle_that_takes_an_authority_away(tls, connect, bundle, authorities, tmp_path):
    """An authority that is no longer in the bundle isn't trusted any more, at once."""
    client = connect()
    assert client.read("a/b").version == 1
    replace(bundle, authorities[1], tmp_path)
    with pytest.raises(errors.ConfigurationError, match="is not trusted"):
        client.read("a/b")


def test_a_bundle_whose_change_does_not_show(tls, connect, bundle, authorities):
    """After a certificate was refused the bundle is read once more, within the same attempt."""
    old, new = (authority.cert_pem.bytes().ljust(8192, b"\n") for authority in authorities)
    bundle.write_bytes(old)
    before = bundle.stat()
    client = connect()
    hang_up(tls)
    assert client.read("a/b").version == 1
    bundle.write_bytes(new)
    os.utime(bundle, ns=(before.st_atime_ns, before.st_mtime_ns))
    tls.issue(authorities[1])
    assert client.read_many(["a/b"], retry=False)["a/b"].version == 1


def test_a_certificate_that_is_refused_for_good(tls, connect, bundle, authorities, monkeypatch):
    """A refused certificate costs one more look at the bundle a call, and no more."""
    client = connect()
    hang_up(tls)
    assert client.read("a/b").version == 1
    tls.issue(authorities[1])
    made = []
    make = ssl.create_default_context
    monkeypatch.setattr("ssl.create_default_context", lambda **o: made.append(1) or make(**o))
    for count in (1, 2):
        with pytest.raises(errors.ConfigurationError, match="is not trusted"):
            client.read("a/b")
        assert len(made) == count


@pytest.mark.parametrize("state", ["gone", "half"])
def test_a_bundle_that_is_being_replaced(tls, connect, bundle, authorities, caplog, state):
    """While the bundle can't be read the certificates of before count; half of one is logged."""
    client = connect()
    hang_up(tls)
    assert client.read("a/b").version == 1
    if state == "gone":
        bundle.unlink()
    else:
        bundle.write_bytes(authorities[1].cert_pem.bytes()[:300])
    assert client.read("a/b").version == client.read("a/b").version == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"] * (state == "half")
    authorities[1].cert_pem.write_to_path(bundle)
    tls.issue(authorities[1])
    assert client.read("a/b").version == 1


def test_a_bundle_that_cannot_be_read_for_a_moment(tls, connect, bundle, authorities, caplog):
    """It is read as soon as it can be, even if nothing about the file shows that."""
    old, new = (authority.cert_pem.bytes().ljust(8192, b"\n") for authority in authorities)
    bundle.write_bytes(old)
    client = connect()
    assert client.read("a/b").version == 1
    times = None
    for content in (new.replace(b"BEGIN", b"BEGUN"), new):
        bundle.write_bytes(content)
        times = times or (bundle.stat().st_atime_ns, bundle.stat().st_mtime_ns)
        os.utime(bundle, ns=times)
        if content is not new:
            for _ in range(2):
                assert client.read("a/b").version == 1
    assert len(caplog.records) == 1
    with pytest.raises(errors.ConfigurationError, match="is not trusted"):
        client.read("a/b")


def test_what_is_open_goes_on(tls, connect, bundle, authorities):
    """An unchanged bundle costs no connection."""
    client = connect()
    for _ in range(3):
        assert client.read("a/b").version == 1
    assert tls.connections == 1


def test_nothing_is_sent_in_clear_while_it_closes(tls, connect, bundle, monkeypatch):
    """A TLS socket's own shutdown would let a thread that is writing go on without TLS."""
    client = connect()
    assert client.read("a/b").version == 1
    own, callers = ssl.SSLSocket.shutdown, []

    def shutdown(self, how):
        callers.append(threading.current_thread())  # the server's among them
        own(self, how)

    monkeypatch.setattr(ssl.SSLSocket, "shutdown", shutdown)
    client.close()
    assert threading.current_thread() not in callers


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl names the files")
def test_a_directory_of_certificates(tls, connect, monkeypatch, tmp_path, authorities):
    """SSL_CERT_DIR is looked at again as well."""
    for name, authority in zip(("first", "second"), authorities, strict=True):
        directory = tmp_path / name
        directory.mkdir()
        authority.cert_pem.write_to_path(directory / "ca.pem")
        subprocess.run(["openssl", "rehash", directory], check=True)
    link = tmp_path / "certs"
    link.symlink_to("first")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(link))
    client = connect()
    hang_up(tls)
    assert client.read("a/b").version == 1
    link.unlink()
    link.symlink_to("second")
    tls.issue(authorities[1])
    assert client.read_many(["a/b"], retry=False)["a/b"].version == 1


def test_the_certificates_of_certifi(tls, connect, monkeypatch, tmp_path, authorities):
    """Without a variable it is certifi's bundle, which may be updated meanwhile, too."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    bundle = tmp_path / "cacert.pem"
    authorities[0].cert_pem.write_to_path(bundle)
    monkeypatch.setattr("certifi.where", lambda: str(bundle))
    client = connect()
    assert client.read("a/b").version == 1
    replace(bundle, authorities[1], tmp_path)
    with pytest.raises(errors.ConfigurationError, match="is not trusted"):
        client.read("a/b")


def test_a_pipe_is_not_waited_for(tls, connect, bundle, monkeypatch, tmp_path):
    """A bundle that is no file is an error, or leaves the one in use that was read before."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    client = connect()
    assert client.read("a/b").version == 1
    monkeypatch.setenv("SSL_CERT_FILE", str(pipe))
    assert client.read("a/b").version == 1
    with pytest.raises(errors.ConfigurationError, match="not a regular file"):
        connect().read("a/b")


def test_the_environment_may_change_afterwards(tls, connect, bundle, monkeypatch, tmp_path):
    """The bundle is that of the start, also for a subscription, which connects by itself later."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", bundle.name)
    client = connect()
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.chdir("/")
    assert client.read("a/b").version == 1
    with monkeypatch.context() as patch, closing(client._wire.twin()) as twin:
        patch.setattr(client, "_wire", twin)
        assert client.read("a/b").version == 1
