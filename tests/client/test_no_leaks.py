"""No token and no value shows anywhere, whatever goes wrong."""

from __future__ import annotations

import logging
import sys
import traceback
from itertools import product

import httpx
import pytest

from tests.client.scripted import Reply, envelope, secret
from vaultconfig import errors
from vaultconfig.client import ClientCredentials, StaticToken, TokenFile, VaultClient

CANARY = "hunter2CANARY"
BODY = f'{{"data": {{"k": "{CANARY}"}}, "version": 1'.encode()

_ODD = f'"data": {{"k": "{CANARY}", "n": %s}}, "version": 1'
ODD = f'{{"secrets": {{"a/b": {{{_ODD}}}, "a/c": {{{_ODD}}}}}, {_ODD}}}'  # a batch and a secret


def raw(payload: bytes):
    return lambda connection: connection.sendall(payload)


FAULTS = {
    "not json": Reply(200, BODY),
    "html": Reply(200, f"<html>{CANARY}</html>".encode()),
    "no version": Reply(200, {"data": {"k": CANARY}}),
    "data is text": Reply(200, {"data": CANARY, "version": 1}),
    "a large number": Reply(200, ODD.replace("%s", "1e999").encode()),
    "nested deeply": Reply(200, ODD.replace("%s", "[" * 110 + "]" * 110).encode()),
    "wrong pin": Reply(200, secret(version=9, data={"k": CANARY})),
    "text as code": Reply(400, {"error": {"code": CANARY, "message": CANARY}}),
    "text as request id": Reply(400, {"error": {"code": "x", "request_id": f"<{CANARY}>"}}),
    "details": Reply(422, {"error": {"code": "validation_error", "details": {"fields": CANARY}}}),
    "error page": Reply(503, CANARY.encode()),
    "redirect": Reply(302, b"", {"Location": f"https://h/?{CANARY}"}),
    "refused": Reply(401, CANARY.encode()),
    "rejected": envelope("token_invalid", status=401),
    "denied": envelope("access_denied", status=403),
    "no factor": envelope("mfa_required", status=403),
    **{
        f"page {status}": Reply(status, f'{{"error": "{CANARY}", "code": "{CANARY}"}}'.encode())
        for status in (401, 403, 404, 405, 407)
    },
    "truncated": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + BODY),
    "garbage": raw(CANARY.encode() + b" nonsense\r\n\r\n"),
    "garbled chunks": raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab" + BODY + b"\r\n"
    ),
    "too large": Reply(200, CANARY.encode() * 1_000_000),
    "compressed": Reply(200, BODY, {"Content-Encoding": "gzip"}),
    "silent": lambda connection: None,
}
OPERATIONS = {
    "whoami": lambda client: client.whoami(),
    "read": lambda client: client.read("a/b", 1),
    "read_many": lambda client: first_error(client.read_many(["a/b", "a/c"])),
    "write": lambda client: client.write("a/b", {"k": CANARY, "n": {"x": [CANARY]}}),
    "list": lambda client: list(client.list("a")),
    "delete": lambda client: client.delete("a/b"),
}
HARMLESS = {  # what an operation does not look at
    *(("delete", fault) for fault in ("not json", "html", "no version")),
    *product(("write", "delete"), ("data is text", "wrong pin", "a large number", "nested deeply")),
}
CREDENTIALS = {
    "token": lambda vault, file: StaticToken(CANARY),
    "file": lambda vault, file: TokenFile(file),
    "form": lambda vault, file: granted(vault, "form"),
    "basic": lambda vault, file: granted(vault, "basic"),
}


def granted(vault, style) -> ClientCredentials:
    return ClientCredentials("i", CANARY, token_url=vault.url + "/token", scope="", style=style)


def first_error(found) -> None:
    for outcome in found.values():
        if isinstance(outcome, Exception):
            raise outcome


def all_texts(error: BaseException) -> str:
    """Everything that a log or an error tracker could make of *error*."""
    texts = [str(error), repr(error), repr(error.args), repr(vars(error))]
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [captured]
    while frames:
        one = frames.pop()
        frames += [each for each in (one.__cause__, one.__context__) if each is not None]
        # Frames of this test hold the canary; those of the library must not.
        texts += [repr(f.locals) for f in one.stack if "/tests/" not in f.filename]
    return "\n".join([*texts, *captured.format_exception_only()])


def is_clean(error: BaseException) -> bool:
    links = (error.__cause__, error.__context__)
    # Frames that decode would keep every secret of the answer alive as long as the error.
    files = {
        frame.filename.rpartition("/")[2] for frame in traceback.extract_tb(error.__traceback__)
    }
    decoding = {"protocol.py", "answer.py", "wire.py", "auth.py"} & files
    return CANARY not in all_texts(error) and links == (None, None) and not decoding


@pytest.fixture
def token_file(tmp_path):
    (tmp_path / "token").write_text(CANARY)
    return tmp_path / "token"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_failures_of_the_vault(vault, connect, caplog, operation, fault):
    """No way to fail shows the token, the body, or what was to be written."""
    caplog.set_level(logging.DEBUG)
    vault.script(FAULTS[fault])
    client = connect(credentials=StaticToken(CANARY))
    if (operation, fault) in HARMLESS:
        OPERATIONS[operation](client)
    else:
        with pytest.raises(errors.VaultConfigError) as caught:
            OPERATIONS[operation](client)
        assert is_clean(caught.value)
    assert CANARY not in caplog.text


@pytest.mark.parametrize("make", CREDENTIALS.values(), ids=CREDENTIALS)
@pytest.mark.parametrize("fault", [Reply(401), Reply(500), *FAULTS.values()])
def test_failures_on_the_way_to_a_token(vault, connect, caplog, token_file, make, fault):
    """No way to fail shows a credential, while a token is fetched, used or renewed."""
    caplog.set_level(logging.DEBUG)
    issued = [Reply(body={"access_token": CANARY + "1"})]

    def respond(asked):
        return issued.pop() if asked.target == "/token" and issued else fault

    vault.respond = respond
    client = connect(credentials=make(vault, token_file))
    for _ in range(2):  # with a token that was fetched before, and without
        with pytest.raises(errors.VaultConfigError) as caught:
            client.whoami()
        assert is_clean(caught.value)
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "call",
    [
        lambda: StaticToken(CANARY + "\n"),
        lambda: ClientCredentials("i", CANARY + "\n", token_url="https://h", scope=""),
        lambda: ClientCredentials("", CANARY, token_url="https://h", scope=""),
        lambda: ClientCredentials("i", CANARY, token_url="http://h", scope=""),
        lambda: ClientCredentials("i", CANARY, token_url=f"https://u:{CANARY}@h", scope=""),
        lambda: VaultClient("https://h", credentials=StaticToken("t")).write("..", {"k": CANARY}),
        lambda: VaultClient("https://h", credentials=StaticToken("t")).write(
            "a", {"k": [CANARY], "n": float("nan")}
        ),
    ],
)
def test_mistakes_of_ours(call):
    """A credential or value that is refused before anything is sent does not show either."""
    with pytest.raises(errors.VaultConfigError) as caught:
        call()
    assert CANARY not in str(caught.value)
    # A URL is no secret's place; it is the one argument that is not masked.
    assert CANARY not in all_texts(caught.value).replace(f"u:{CANARY}@", "")


@pytest.mark.parametrize(
    "content",
    [
        *(f"{CANARY} {CANARY}", CANARY * 10_000, f'"{CANARY}"', f'{{"token": "{CANARY}"}}'),
        *(f"SCAIVAULT_TOKEN={CANARY}", f"Bearer {CANARY}"),
    ],
)
def test_a_bad_token_in_a_file(connect, token_file, content):
    """A file that holds more than a token does not show in the error."""
    token_file.write_text(content)
    with pytest.raises(errors.ConfigurationError) as caught:
        connect(credentials=TokenFile(token_file)).whoami()
    assert is_clean(caught.value)


@pytest.mark.parametrize("goes", [lambda connection: None, raw(BODY)])
def test_a_kept_connection_that_breaks(vault, connect, caplog, goes):
    """Nor does anything show of a second try on a fresh connection."""
    caplog.set_level(logging.DEBUG)
    client = connect(credentials=StaticToken(CANARY))
    vault.script(Reply(body=secret(data={"k": CANARY})), goes)
    client.read("a/b")
    with pytest.raises(errors.VaultConfigError) as caught:
        client.read_many(["a/b"], retry=False)
    assert is_clean(caught.value)
    assert CANARY not in caplog.text


def test_a_name_that_is_not_resolved(connect, monkeypatch):
    """The thread that resolves a name sees nothing of the request."""

    def fail(*args, **options):
        assert CANARY not in all_texts(RuntimeError(sys._getframe(1).f_locals))
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("vaultconfig.client.sockets.getaddrinfo", fail)
    with pytest.raises(errors.VaultUnavailableError) as caught:
        connect(url="https://vault.invalid", credentials=StaticToken(CANARY)).whoami()
    assert is_clean(caught.value)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "NO_PROXY"])
def test_a_password_in_a_proxy_variable(vault, connect, monkeypatch, caplog, variable):
    """A proxy's URL, or what httpx can't read of an exception, is not quoted."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HTTPS_PROXY", f"http://u:{CANARY}@127.0.0.1:1")
    monkeypatch.setenv(variable, f"http://u:{CANARY}@[::")
    with pytest.raises(errors.VaultConfigError) as caught:
        connect(url="https://vault.invalid").read_many(["a/b"], retry=False)
    assert is_clean(caught.value)
    assert CANARY not in caplog.text


def test_reprs(vault, connect, token_file):
    """Neither the client nor its credentials show a token, also once they have one."""
    vault.script(Reply(body=secret(data={"k": CANARY}, access_token=CANARY)))
    for make in CREDENTIALS.values():
        credentials = make(vault, token_file)
        client = connect(credentials=credentials)
        found = client.read("a/b")
        shown = [repr(each) for each in (credentials, vars(credentials), client, found, found.data)]
        assert CANARY not in "".join(shown)


def test_the_quiet_log(vault, client, caplog):
    """What httpx logs is left out for our requests, and stays for the application's own."""
    caplog.set_level(logging.DEBUG)
    vault.script(Reply(body=secret()))
    client.read("a/b")
    assert caplog.text == ""
    with httpx.Client() as theirs:
        theirs.get(vault.url + "/v1/theirs")
    assert "/v1/theirs" in caplog.text
