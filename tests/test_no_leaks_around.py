"""No value and no credential shows, whatever goes wrong around settings.

The vault, the way to a token, the connection, a refresh, the development fallback, rendering and
the dev server; `tests/test_no_leaks.py` has what goes wrong with the settings themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx  # noqa: F401 - takes long, which is no part of any deadline here
import pytest
from pydantic import AfterValidator, SecretStr, ValidationError, create_model
from pydantic_settings import BaseSettings

from tests.leaks import (
    CANARIES,
    CLIENT_SECRET,
    TOKEN,
    Shown,
    attempt,
    failure_of,
    vault_of_canaries,
    watched,
)
from tests.live.rig import heard
from vaultconfig import LiveSettings, VaultSettings, VaultSettingsSource, provenance
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.inspection import gather
from vaultconfig.render import files
from vaultconfig.render.dialects import FORMATS, dialect
from vaultconfig.render.proof import settings_variables

TEXT, URL = CANARIES["text"], CANARIES["url"]


@pytest.fixture(autouse=True)
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_tries: None) -> Iterator[DevServer]:
    with vault_of_canaries(tmp_path, monkeypatch) as vault:
        yield vault


@pytest.fixture
def shown(vault: DevServer, capfd: pytest.CaptureFixture[str]) -> Iterator[Shown]:
    with watched(capfd) as shown:
        yield shown


class Settings(VaultSettings):
    one: Annotated[str, "vault:app#text"]
    two: Annotated[SecretStr, "vault:app#url"]
    rest: Annotated[dict[str, Any], "vault:app#object"]


class Fleeting(VaultSettings):
    """What it reads is stale at once."""

    one: Annotated[str, "vault:app?ttl=0.001#text"]
    two: Annotated[SecretStr, "vault:app?ttl=0.001#url"]


class Plain(BaseSettings):
    """Has the source, and not the masking."""

    one: Annotated[str, "vault:app#text"]

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, **others: Any) -> Any:
        return *others.values(), VaultSettingsSource(settings_cls)


ENVELOPE = json.dumps({"error": {"code": TEXT, "message": TEXT, "details": {TEXT: URL}}})
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "garbage": {"garbage": True},
    "truncated": {"truncate": True},
    "dropped": {"drop": True},
    "dripping": {"drip": 0.02},
    "late": {"delay": 60.0},
    "error page": {"status": 502, "body": f"<html>{TEXT}</html>"},
    "own words": {"status": 400, "body": ENVELOPE},
    "own words at 401": {"status": 401, "body": ENVELOPE},
    "own words at 403": {"status": 403, "body": ENVELOPE},
    "own words at 404": {"status": 404, "body": ENVELOPE},
    "own words at 500": {"status": 500, "body": ENVELOPE},
    **{
        f"a page at {status}": {"status": status, "body": f"<html>{TEXT} {TOKEN}</html>"}
        for status in (401, 403, 404)
    },
    "redirect": {"status": 302, "headers": {"Location": f"https://u:{TEXT}@host/{TOKEN}"}},
    "text": {"status": 200, "body": TEXT},
    "JSON text": {"status": 200, "body": json.dumps(TEXT)},
    "broken JSON": {"status": 200, "body": json.dumps({"secrets": CANARIES})[:-9]},
    "wrong shape": {"status": 200, "body": json.dumps({"secrets": TEXT, "errors": URL})},
    "wrong secret": {"status": 200, "body": json.dumps({"secrets": {"app": TEXT}})},
    "wrong data": {"status": 200, "body": json.dumps({"secrets": {"app": {"data": TEXT}}})},
    "wrong version": {
        "status": 200,
        "body": json.dumps({"secrets": {"app": {"data": {"text": TEXT}, "version": TEXT}}}),
    },
    "wrong errors": {
        "status": 200,
        "body": json.dumps({"secrets": {}, "errors": {"app": {"code": TEXT, "message": URL}}}),
    },
    "odd headers": {
        "status": 503,
        "headers": {"X-Request-ID": f"<{TEXT}>", "Retry-After": TEXT, "Date": TEXT},
    },
    "rate limit": {"code": "rate_limited", "retry_after": 60},
    "expired": {"code": "token_expired"},
    "denied": {"code": "access_denied"},
}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    if request.param in {"late", "dripping"}:  # only these end by the deadline
        monkeypatch.setenv("VAULTCONFIG_DEADLINE", "1")
    return FAULTS[request.param]


def test_faults_of_the_vault(shown: Shown, vault: DevServer, fault: Mapping[str, Any]) -> None:
    """Whatever the vault answers, and whatever its answer quotes, does not show."""
    vault.fault(**fault)
    for settings_cls in (Settings, Plain):
        attempt(shown, settings_cls, settings_cls.__name__)


def test_faults_after_a_good_load(shown: Shown, vault: DevServer, fault: Mapping[str, Any]) -> None:
    """Nor does it where the cache still serves, with a warning, nor in a live object's words."""
    live = LiveSettings(Fleeting)
    live.on_error(lambda error: shown.error(error, "on_error"))
    live.load()
    vault.fault(**fault)
    attempt(shown, Fleeting, "stale")
    with suppress(VaultConfigError):
        live.refresh()
    attempt(shown, lambda: live.current, "current")
    shown.add("health", live.health())
    shown.add("live", live)
    heard(live)
    live.close()


def test_faults_in_development(
    shown: Shown, vault: DevServer, monkeypatch: pytest.MonkeyPatch, fault: Mapping[str, Any]
) -> None:
    """The warning of the fallback names fields and reasons, not what the vault's answer quotes."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    Path(".env").write_text("ONE=mine\nTWO=mine\nREST='{}'\n", encoding="utf-8")
    vault.fault(**fault)
    settings = Settings()
    shown.settings(settings)
    shown.add("provenance", provenance(settings))


@pytest.mark.parametrize("style", ["form", "basic"])
def test_faults_of_the_token_endpoint(
    shown: Shown,
    vault: DevServer,
    monkeypatch: pytest.MonkeyPatch,
    fault: Mapping[str, Any],
    style: str,
) -> None:
    """Neither the client's secret nor what the token endpoint says of it shows."""
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    monkeypatch.setenv("SCAIKEY_CLIENT_ID", "billing")
    monkeypatch.setenv("SCAIKEY_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("SCAIKEY_TOKEN_URL", f"{vault.url}/oauth/token")
    monkeypatch.setenv("VAULTCONFIG_CLIENT_AUTH", style)
    attempt(shown, Settings, "an unknown client")
    vault.add_client("billing", CLIENT_SECRET)
    vault.fault(path="/oauth/token", **fault)
    attempt(shown, Settings, "fault")
    vault.clear_faults()
    attempt(shown, Settings, "good")


BAD_TOKENS: Mapping[str, bytes | None] = {
    "two": f"{TOKEN} {TOKEN}".encode(),
    "two lines": f"{TOKEN}\n{TOKEN}\n".encode(),
    "binary": f"{TOKEN}\0\xff".encode("latin-1"),
    "huge": f"{TOKEN}x".encode() * 10_000,
    "json": json.dumps({"token": TOKEN}).encode(),
    "of a stranger": f"{TOKEN}-stranger".encode(),
    "empty": b"",
    "missing": None,
}


@pytest.mark.parametrize("content", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_token_files(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """A file that holds no token, or another's, does not show."""
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    monkeypatch.setenv("VAULTCONFIG_TOKEN_FILE", str(tmp_path / "token"))
    attempt(shown, Settings, "token file")


BAD_CONNECTIONS: Mapping[str, Mapping[str, str]] = {
    "password in the URL": {"SCAIVAULT_URL": f"https://user:{CLIENT_SECRET}@vault.test"},
    "token in the URL": {"SCAIVAULT_URL": f"https://vault.test/?token={TOKEN}"},
    "token as the URL": {"SCAIVAULT_URL": TOKEN},
    "password in the token URL": {"SCAIKEY_TOKEN_URL": f"https://u:{CLIENT_SECRET}@host"},
    "token with a blank": {"SCAIVAULT_TOKEN": f"{TOKEN} {TOKEN}"},
    "token with a line end": {"SCAIVAULT_TOKEN": f"{TOKEN}\n{TOKEN}"},
    "secret with a line end": {
        "SCAIVAULT_TOKEN": "",
        "SCAIKEY_CLIENT_ID": "billing",
        "SCAIKEY_CLIENT_SECRET": f"{CLIENT_SECRET}\n",
    },
    "two credentials": {"VAULTCONFIG_TOKEN_FILE": "token"},
    "half a credential": {"SCAIVAULT_TOKEN": "", "SCAIKEY_CLIENT_SECRET": CLIENT_SECRET},
    "token for a duration": {"VAULTCONFIG_TTL": TOKEN},
    "token for a number": {"VAULTCONFIG_DEADLINE": TOKEN},
    "token for a choice": {"VAULTCONFIG_CLIENT_AUTH": TOKEN},
    "token for a switch": {"VAULTCONFIG_ALLOW_HTTP": TOKEN},
    "token for a tenant": {"SCAIVAULT_TENANT_ID": f"{TOKEN}\n"},
    "token in NO_PROXY": {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": f"http://u:{TOKEN}@[::"},
    "token in a proxy": {
        "SCAIVAULT_URL": "https://vault.invalid",
        "HTTPS_PROXY": f"http://u:{TOKEN}@[::",
    },
    "nobody there": {"SCAIVAULT_URL": "http://127.0.0.1:9"},
    "plain http": {"SCAIVAULT_URL": "http://vault.test"},
}


@pytest.mark.parametrize("variables", BAD_CONNECTIONS.values(), ids=BAD_CONNECTIONS)
def test_connections(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]
) -> None:
    """A connection that is refused is named by its variables, without their values."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    attempt(shown, Settings, "connection")
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    attempt(shown, Settings, "connection in development")


def rejecting(words: Callable[[Any], object]) -> type[VaultSettings]:
    """Return a class that takes the first value, and rejects others in its own *words*."""
    known: list[Any] = []

    def check(value: Any) -> Any:
        if known and value != known[0]:
            raise ValueError(words(value))
        known.append(value)
        return value

    return create_model(
        "Rejecting",
        __base__=VaultSettings,
        one=(Annotated[Any, AfterValidator(check), "vault:rotated?ttl=0.001#value"], ...),
    )


@pytest.mark.parametrize("name", CANARIES)
def test_rotations_that_do_not_fit(shown: Shown, vault: DevServer, name: str) -> None:
    """A refresh that fails says so in the log, to callbacks and in health, without the value."""
    vault.put("rotated", {"value": "the first"})
    live = LiveSettings(rejecting(lambda value: f"{value} is not the first"))
    live.on_error(lambda error: shown.error(error, "on_error"))
    live.load()
    vault.put("rotated", {"value": CANARIES[name]})
    shown.error(failure_of(live.refresh), "refresh")
    shown.add("health", live.health())
    shown.settings(live.current, "current")
    heard(live)
    live.close()


def test_a_rotation_that_does_not_fit_a_plain_class(shown: Shown, vault: DevServer) -> None:
    """Without the masking, pydantic's error holds the value; our words about it still do not."""

    class Numbers(Plain):
        numbers: Annotated[list[int], "vault:app#numbers"]

    vault.put("app", {"text": "the first", "numbers": [1]})
    live = LiveSettings(Numbers)
    live.load()
    vault.put("app", {"text": "the second", "numbers": [TEXT]})
    with pytest.raises(ValidationError):
        live.refresh()
    shown.add("health", live.health())
    heard(live)
    live.close()


@pytest.mark.parametrize("name", CANARIES)
def test_listeners_that_quote(shown: Shown, vault: DevServer, name: str) -> None:
    """What a listener raises is reported by its type; a change prints without values."""
    vault.put("rotated", {"value": "the first"})

    class Rotated(VaultSettings):
        value: Annotated[Any, "vault:rotated?ttl=0.001#value"]

    def listener(change: Any) -> None:
        shown.add("change", change)
        raise ValueError(f"{change.new.value} was {change.old.value}")

    live = LiveSettings(Rotated)
    live.on_change(listener)
    live.load()
    vault.put("rotated", {"value": CANARIES[name]})
    live.refresh()
    shown.settings(live.current, "current")
    heard(live)
    live.close()


SEEDS = {
    "toml": f'["a"]\nx = "{TEXT}\n',
    "json": f'{{"a": {{"x": "{TEXT}", }} }}',
    "yaml": f'a:\n  x: "{TEXT}\n y: [',
    "toml of a text": f'a = "{TEXT}"',
    "json of a list": json.dumps([TEXT]),
    "json of texts": json.dumps({"a": TEXT}),
    "json with a bad path": json.dumps({"..": {"x": TEXT}}),
    "json with a bad option": json.dumps({"a": {"x": 1}, "$about": {"a": {"options": TEXT}}}),
    "json with a bad client": json.dumps({"$clients": {"c": {"secret": [TEXT]}}}),
}


@pytest.mark.parametrize("kind", SEEDS)
def test_seeds_and_states_of_the_dev_server(shown: Shown, tmp_path: Path, kind: str) -> None:
    """A seed or a state file that is wrong is told by its place, not by its content."""
    file = tmp_path / f"file.{kind.partition(' ')[0]}"
    file.write_text(SEEDS[kind], encoding="utf-8")
    for make in (lambda: DevServer(state=file), lambda: DevServer().seed(file)):
        shown.words(failure_of(make), kind)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/secrets/a", f'{{"data": {{"x": "{TEXT}"'),
        ("PUT", "/v1/secrets/a", json.dumps(TEXT)),
        ("PUT", "/v1/secrets/a", json.dumps({"data": TEXT})),
        (
            "PUT",
            "/v1/secrets/a",
            json.dumps({"data": {"x": TEXT}, "options": {"max_versions": ""}}),
        ),
        ("PUT", "/v1/secrets/..", json.dumps({"data": {"x": TEXT}})),
        ("POST", "/v1/secrets/batch", json.dumps({"paths": {"x": TEXT}})),
        ("POST", "/oauth/token", f"grant_type=x&client_secret={CLIENT_SECRET}"),
        ("POST", "/v1/nothing", TEXT),
    ],
)
def test_requests_that_the_dev_server_refuses(
    shown: Shown, vault: DevServer, method: str, path: str, body: str
) -> None:
    """Its errors do not give back what was sent, and its log of requests never held it."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = Request(vault.url + path, body.encode(), headers, method=method)
    error = failure_of(lambda: urlopen(request, timeout=5))
    assert isinstance(error, HTTPError)
    with error:
        shown.add("body", error.read().decode())
    shown.add("requests", vault.requests)
    shown.add("server", f"{vault!r}")


@pytest.mark.parametrize("format_", FORMATS)
def test_rendering(shown: Shown, format_: str) -> None:
    """A value that a format can't hold is refused by its key; a difference is one of names."""
    form = dialect(format_)
    for name, canary in CANARIES.items():
        text = canary if isinstance(canary, str) else json.dumps(canary)
        for value in (text, f"{text}\0", f"{text}\r", f"{text}\ud800"):
            for existing in ("", f"KEY='{text}", f"KEY=vault:a#b\nx={text}\n", f'{{"a": "{text}'):
                try:
                    form.update(existing, {"KEY": value})
                    shown.add(f"compare {name}", form.compare(existing, {"KEY": value}))
                except ConfigurationError as error:
                    shown.words(error, f"{format_} {name}")


@pytest.mark.parametrize("annotation", [str, int, Any])
def test_what_is_gathered_for_rendering(shown: Shown, annotation: Any) -> None:
    """What stands between the vault and the file prints without values, and so does its refusal."""
    for name in CANARIES:
        field = (Annotated[annotation, f"vault:app#{name}"], ...)
        gathered = gather(create_model("Settings", __base__=VaultSettings, key=field))
        shown.add("gathered", gathered)
        try:
            shown.add("variables", settings_variables(gathered))
        except (ValidationError, VaultConfigError) as error:
            shown.error(error, name)


def test_writing_the_file(shown: Shown, tmp_path: Path) -> None:
    """A file that can't be written is named; what was to be in it is not, and nothing is left."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("directory", "link", "absent/file", "link/file"):
        error = failure_of(lambda: files.write(tmp_path / name, TEXT))  # noqa: B023
        shown.words(error, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "link"]


APP = """
from typing import Annotated
from pydantic import AfterValidator
from vaultconfig import VaultSettings

def refuse(value):
    raise ValueError(f"{value} is bad")

def explode(value):
    raise RuntimeError(f"{value} is bad")

class Settings(VaultSettings):
    one: Annotated[str, "vault:app#text"]
    two: Annotated[str, "vault:app#quotes"]

class Wrong(Settings):
    three: Annotated[int, "vault:app#url"]

class Refused(Settings):
    three: Annotated[str, AfterValidator(refuse), "vault:app#url"]

class Exploding(Settings):
    three: Annotated[str, AfterValidator(explode), "vault:app#url"]
"""


@pytest.mark.parametrize("target", ["Settings", "Wrong", "Refused", "Exploding"])
def test_the_command_line(shown: Shown, tmp_path: Path, target: str) -> None:
    """The outputs of `render`, with every switch that tells more, hold no value."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / ".env").write_text(f"ONE='{URL}'\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    code = "from vaultconfig.cli import main; main()"
    for more in (["--diff", "--all"], ["-f", "docker", "-o", "file"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "render", f"app:{target}", "--debug", *more],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            check=False,
            timeout=60,
        )
        shown.add(f"render {more}", done.stdout.decode() + done.stderr.decode())
        (tmp_path / "file").unlink(missing_ok=True)
    after = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert sorted(after) == before
