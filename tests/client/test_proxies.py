"""What the proxy variables mean is what they mean to httpx."""

from __future__ import annotations

from contextlib import suppress
from urllib.request import getproxies

import httpx
import pytest

from tests.client.scripted import Reply, secret
from vaultconfig import errors
from vaultconfig.client.proxies import ViaProxy, mounts_for
from vaultconfig.client.transport import DeadlineTransport

PROXIES = [
    {"HTTPS_PROXY": "http://p:1"},
    {"HTTP_PROXY": "http://p:1"},
    {"ALL_PROXY": "p:1"},
    {"HTTPS_PROXY": "p:1", "ALL_PROXY": "http://q:1"},
]
NO_PROXY = [
    "",
    "*",
    "a.example.com,*",
    "example.com",
    ".example.com",
    "*.example.com",
    "EXAMPLE.com",
    "vault.example.com",
    "vault.example.com:8200",
    "vault.example.com:443",
    "example.com:8200",
    "ple.com",
    " example.com , other.org",
    "https://vault.example.com",
    "http://vault.example.com",
    "https://vault.example.com:8200",
    "all://",
    "all://*.example.com",
    "10.0.0.7",
    "10.0.0.7:8200",
    "10.0.0.0/8",
    "10.",
    "fd00::7",
    "localhost",
    "LOCALHOST",
    "localhost:8200",
    ",,",
    "vault",
]
HOSTS = [
    "vault.example.com",
    "example.com",
    "a.b.example.com",
    "wwwexample.com",
    "vault",
    "10.0.0.7",
    "10.0.0.0",
    "10.0.0.8",
    "[fd00::7]",
    "other.org",
]
URLS = [
    httpx.URL(f"{scheme}://{host}{port}")
    for scheme in ("http", "https")
    for host in HOSTS
    for port in ("", ":8200")
]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def proxy_of_httpx(client: httpx.Client, url: httpx.URL) -> str | None:
    address = getattr(client._transport_for_url(url)._pool, "_proxy_url", None)
    return None if address is None else bytes(address).decode().rstrip("/")


def our_proxy(client: httpx.Client, url: httpx.URL) -> str | None:
    transport = client._transport_for_url(url)
    return str(httpx.URL(transport._address)) if isinstance(transport, ViaProxy) else None


@pytest.mark.parametrize("proxies", PROXIES, ids=str)
@pytest.mark.parametrize("no_proxy", NO_PROXY)
def test_it_is_httpx_that_decides(monkeypatch, proxies, no_proxy):
    """For every host, port and scheme the choice is that of a client of httpx's own."""
    for name, value in (proxies | {"NO_PROXY": no_proxy}).items():
        monkeypatch.setenv(name, value)
    transport = DeadlineTransport()
    with (
        httpx.Client(verify=False) as theirs,
        httpx.Client(transport=transport, mounts=mounts_for(transport.send, getproxies())) as ours,
    ):
        for url in URLS:
            assert our_proxy(ours, url) == proxy_of_httpx(theirs, url), url


@pytest.mark.parametrize("entry", ["[fd00::7", "[fd00::7]", "fd00::/8", "https://h:port", "x\x7f"])
def test_an_entry_that_is_not_a_host(vault, connect, monkeypatch, caplog, entry):
    """What httpx's own client fails on has no effect, and says so; the others have theirs."""
    vault.script(Reply(body=secret()))
    monkeypatch.setenv("HTTP_PROXY", vault.url)
    monkeypatch.setenv("NO_PROXY", f"{entry},other.invalid")
    with pytest.raises((httpx.InvalidURL, ValueError)):
        httpx.Client()
    for host in ("vault", "other"):
        with suppress(errors.VaultUnavailableError):
            client = connect(url=f"http://{host}.invalid", allow_http=True)
            client.read_many(["a/b"], retry=False)
    assert {asked.target for asked in vault.asked} == {"http://vault.invalid/v1/secrets/a/b"}
    assert "an entry of NO_PROXY" in caplog.records[0].message


def test_a_port_in_no_proxy(vault, connect, monkeypatch):
    """A port counts: the vault's own goes there directly, another one through the proxy."""
    vault.script(Reply(body=secret()))
    port = vault.server.server_port
    target = f"http://vault.invalid:{port}"
    address = (0, 0, 0, "", ("127.0.0.1", 0))
    monkeypatch.setattr("vaultconfig.client.sockets.getaddrinfo", lambda *_, **__: [address])
    monkeypatch.setenv("http_proxy", vault.url)
    for exception, asked in [
        (f"vault.invalid:{port}", "/v1/secrets/a/b"),
        (f"vault.invalid:{port + 1}", f"{target}/v1/secrets/a/b"),
    ]:
        monkeypatch.setenv("no_proxy", exception)
        connect(url=target, allow_http=True).read("a/b")
        assert vault.asked[-1].target == asked
