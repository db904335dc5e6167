"""What live settings keep from their start: they follow the vault, and nothing else."""

from __future__ import annotations

import gc
import itertools
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import trustme
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

from tests.client.scripted import Asked, Reply, ScriptedVault, secret
from tests.live.rig import reads, reasons
from vaultconfig import (
    LiveSettings,
    VaultConfigDict,
    VaultSettings,
    VaultSettingsSource,
    provenance,
)
from vaultconfig.devserver import DevServer
from vaultconfig.errors import (
    FieldNotFoundError,
    SecretNotFoundError,
    UnresolvedSettingsError,
)

CANARY = "hunter2-canary"


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"host": "h1", "port": 1})
    vault_env.fault(path="/v1/subscriptions", status=404)
    return vault_env


class Counted:
    """Sources that count their calls, by class."""

    def __init__(self) -> None:
        self.calls = 0

    def sources(self, settings_cls: type[BaseSettings], **given: Any) -> tuple[Any, ...]:
        counted = self

        class Environment(EnvSettingsSource):
            def __call__(self) -> dict[str, Any]:
                counted.calls += 1
                return super().__call__()

        class File(DotEnvSettingsSource):
            def __call__(self) -> dict[str, Any]:
                counted.calls += 1
                return super().__call__()

        def registry() -> dict[str, Any]:
            counted.calls += 1
            return {"name": "registered"}

        return (given["init_settings"], Environment(settings_cls), File(settings_cls), registry)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], DevServer]]:
    """Change all that a load reads but the vault; returns the server that the environment names."""
    with DevServer() as other:

        def change() -> DevServer:
            monkeypatch.setenv("SCAIVAULT_URL", other.url)
            monkeypatch.delenv("SCAIVAULT_TOKEN", raising=False)
            monkeypatch.delenv("VAULTCONFIG_TOKEN_FILE", raising=False)
            monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
            monkeypatch.setenv("NAME", "changed")
            monkeypatch.setenv("KEY", "changed")
            (tmp_path / ".env").write_text("NAME=changed\nKEY=changed\n")
            (tmp_path / "away").mkdir()
            monkeypatch.chdir(tmp_path / "away")
            (tmp_path / "away" / ".env").write_text("NAME=changed\n")
            return other

        yield change


def rotated(vault: DevServer, live: LiveSettings[Any], key: str) -> Any:
    vault.put("api", {"key": key})
    live.refresh()
    return live.newest


def started(settings_cls: type[BaseSettings], **arguments: Any) -> LiveSettings[Any]:
    """Live settings without a thread: nothing happens but what the test asks for."""
    live = LiveSettings(settings_cls, **arguments)
    live.load()
    return live


@pytest.mark.parametrize("base", [VaultSettings, BaseSettings])
def test_ten_rotations_after_everything_else_has_changed(
    vault: DevServer,
    counted: Counted,
    elsewhere: Callable[[], DevServer],
    monkeypatch: pytest.MonkeyPatch,
    base: type[BaseSettings],
) -> None:
    """URL, token, directory and `.env` change: all rotations arrive, and no source runs again."""
    monkeypatch.setenv("VAULTCONFIG_TOKEN_FILE", "token")
    Path("token").write_text(vault.token)
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    Path(".env").write_text("NAME=from .env\n")

    class Settings(base):  # type: ignore[misc, valid-type]
        model_config = VaultConfigDict(env_file=".env", extra="ignore")
        name: str
        key: Annotated[str, "vault:api#key"]

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **given: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources = counted.sources(settings_cls, **given)
            ours = () if base is VaultSettings else (VaultSettingsSource(settings_cls),)
            return (*sources, *ours)

    live = started(Settings)
    calls = counted.calls
    other = elsewhere()
    for number in range(10):
        settings = rotated(vault, live, f"new {number}")
        assert (settings.key, settings.name) == (f"new {number}", "from .env")
    assert (counted.calls, calls, list(other.requests)) == (3, 3, [])
    assert live.health().state == "fresh"
    live.close()


def test_the_content_of_the_token_file_is_read_anew(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file is that of the start, wherever we are; the token is what it holds now."""
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    monkeypatch.setenv("VAULTCONFIG_TOKEN_FILE", "token")
    Path("token").write_text(vault.token)

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]

    live = started(Settings)
    Path("token").write_text("skt_wrong")
    monkeypatch.chdir("/")
    with pytest.raises(Exception, match="rejected"):
        live.refresh()
    (tmp_path / "token").write_text(vault.token)
    assert rotated(vault, live, "k2").key == "k2"


def test_the_class_is_called_as_at_the_start(vault: DevServer) -> None:
    """Its own `__init__`, validators, `model_post_init` and default factories run each time."""
    ran: list[str] = []
    numbers = itertools.count()

    class Settings(VaultSettings):
        name: str
        key: Annotated[str, "vault:api#key"]
        number: int = Field(default_factory=lambda: next(numbers))

        def __init__(self, region: str) -> None:  # no **kwargs
            ran.append("init")
            super().__init__(name=f"app in {region}")

        @field_validator("key")
        @classmethod
        def upper(cls, key: str) -> str:
            ran.append("field")
            return key.upper()

        @model_validator(mode="after")
        def check(self) -> Settings:
            ran.append("model")
            return self

        def model_post_init(self, context: Any) -> None:
            super().model_post_init(context)
            ran.append("post")

    live = started(Settings, region="eu")
    first, ran[:] = list(ran), []
    settings = rotated(vault, live, "k2")
    assert (settings.key, settings.name, settings.number) == ("K2", "app in eu", 1)
    assert sorted(ran) == sorted(first) == ["field", "init", "model", "post"]


def test_what_a_validator_does_to_its_input_does_not_last(vault: DevServer) -> None:
    """A before-validator that empties a nested input gets it whole at each rebuild."""

    class Inner(BaseModel):
        host: str
        size: int

        @model_validator(mode="before")
        @classmethod
        def rename(cls, data: dict[str, Any]) -> dict[str, Any]:
            data["size"] = data.pop("pool")
            return data

    class Settings(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="__")
        key: Annotated[str, "vault:api#key"]
        inner: Inner
        others: list[Inner] = Field([])

    given = {"host": "a", "pool": 1}
    live = started(Settings, inner=given, others=[{"host": "b", "pool": 2}])
    for key in ("k2", "k3", "k4"):
        settings = rotated(vault, live, key)
        assert (settings.key, settings.inner.size, settings.others[0].size) == (key, 1, 2)
    assert given == {"host": "a", "pool": 1}


class Part(VaultSettings):
    name: str = "default"
    key: Annotated[str, "vault:api#key"]
    host: Annotated[str, "vault:db#host"]


def test_nested_settings_classes_are_kept_too(
    vault: DevServer, elsewhere: Callable[[], DevServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled from outside or by a default factory, they follow the vault without their sources."""
    monkeypatch.setenv("NAME", "kept")

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]
        filled: Part
        made: Part = Field(default_factory=Part)  # type: ignore[arg-type]
        several: list[Part] = Field(default_factory=lambda: [Part(host="x"), Part(host="y")])  # type: ignore[call-arg]

    live = started(Settings)
    other = elsewhere()
    for key in ("k2", "k3"):
        settings = rotated(vault, live, key)
        parts = [settings.filled, settings.made, *settings.several]
        assert [settings.key, *(part.key for part in parts)] == [key] * 5
        assert [part.name for part in parts] == ["kept"] * 4
        assert [part.host for part in parts] == ["h1", "h1", "x", "y"]
    assert list(other.requests) == []


def test_a_nested_class_beyond_those_of_the_start_loads_anew(
    vault: DevServer, elsewhere: Callable[[], DevServer]
) -> None:
    """It runs its sources, and still asks the vault of the start."""

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]
        parts: list[Part] = Field([])

        @model_validator(mode="after")
        def make(self) -> Settings:
            self.parts = [Part(host=str(n)) for n in range(int(self.key))]  # type: ignore[call-arg]
            return self

    vault.put("api", {"key": "1"})
    live = started(Settings)
    other = elsewhere()
    settings = rotated(vault, live, "2")
    assert [(part.name, part.key, part.host) for part in settings.parts] == [
        ("default", "2", "0"),
        ("changed", "changed", "1"),
    ]
    assert [len(rotated(vault, live, key).parts) for key in ("1", "3")] == [1, 3]
    assert list(other.requests) == []


def sources_with_ours(
    cls: type[BaseSettings], settings_cls: type[BaseSettings], **given: Any
) -> tuple[PydanticBaseSettingsSource, ...]:
    return (*given.values(), VaultSettingsSource(settings_cls))


def test_a_plain_class_with_an_init_of_its_own_loads_anew(
    vault: DevServer, elsewhere: Callable[[], DevServer]
) -> None:
    """Its sources run again; the vault is that of the start."""

    class Settings(BaseSettings):
        name: str = "default"
        key: Annotated[str, "vault:api#key"]
        settings_customise_sources = classmethod(sources_with_ours)  # type: ignore[assignment]

        def __init__(self, region: str) -> None:
            super().__init__()

    live = started(Settings, region="eu")
    vault.put("api", {"key": "k2"})
    other = elsewhere()
    os.environ.pop("KEY")
    live.refresh()
    assert (live.newest.name, live.newest.key) == ("changed", "k2")
    assert list(other.requests) == []


def test_a_nested_plain_class_loads_anew(
    vault: DevServer, elsewhere: Callable[[], DevServer]
) -> None:
    """What pydantic-settings loads by itself inside reads its own sources at each rebuild."""

    class Inner(BaseSettings):
        name: str = "default"

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]
        inner: Inner = Field(default_factory=Inner)

    live = started(Settings)
    assert live.newest.inner.name == "default"
    elsewhere()
    assert rotated(vault, live, "k2").inner.name == "changed"


def test_arguments_stay_those_of_the_start(vault: DevServer) -> None:
    """Keywords count as at the start, options of pydantic-settings among them."""
    Path("other.env").write_text("NAME=from a file\n")

    class Settings(VaultSettings):
        name: str
        size: int
        key: Annotated[str, "vault:api#key"]

    live = started(Settings, size=5, _env_file="other.env", _vault_environment="production")
    Path("other.env").unlink()
    settings = rotated(vault, live, "k2")
    assert (settings.key, settings.size, settings.name) == ("k2", 5, "from a file")


def test_placeholders_stay_those_of_the_start(vault: DevServer) -> None:
    """What a default factory has put into a path is not made again."""
    regions = iter(["eu", "us"])

    class Settings(VaultSettings):
        region: str = Field(default_factory=lambda: next(regions, "none"))
        key: Annotated[list[str] | str, "vault:{region}/api#key"]

    vault.put("eu/api", {"key": "k1"})
    live = started(Settings)
    vault.put("eu/api", {"key": ["k2"]})
    live.refresh()
    assert live.newest.key == ["k2"]


def test_provenance_has_the_new_versions(vault: DevServer) -> None:
    """Also that of a template, of which only one secret has changed."""

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]
        url: Annotated[str, "https://${vault:api#key}@${vault:db#host}:${vault:db#port}"]
        port: Annotated[int, "vault:db#port"]

    live = started(Settings)
    settings = rotated(vault, live, "k2")
    assert settings.url == "https://k2@h1:1"
    found = provenance(settings)
    assert [found[name].secrets for name in ("key", "port", "url")] == [
        (("api", 2),),
        (("db", 1),),
        (("api", 2), ("db", 1)),
    ]


def test_in_development_the_vault_takes_over_and_stays(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `.env` filled takes the vault's value once there is one, and doesn't go back."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    Path(".env").write_text("KEY=mine\nHOST=mine\n")
    vault.delete("api")

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]
        host: Annotated[str, "vault:db#host"]

    live = started(Settings)
    assert (live.newest.key, live.newest.host) == ("mine", "h1")
    Path(".env").unlink()
    vault.put("db", {"host": "h2"})
    live.refresh()
    assert (live.newest.key, live.newest.host) == ("mine", "h2")
    assert rotated(vault, live, "k1").key == "k1"
    vault.delete("api")
    with pytest.raises(UnresolvedSettingsError) as gone:
        live.refresh()
    assert reasons(gone.value) == [SecretNotFoundError]
    vault.put("db", {"other": "h3"})
    with pytest.raises(Exception, match=r"2 settings|db"):
        live.refresh()
    assert (live.newest.key, live.newest.host) == ("k1", "h2")


def test_a_field_that_is_gone_does_not_go_back_to_dotenv(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In development a secret that lost a field is held back, as everywhere."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    Path(".env").write_text("KEY=mine\n")

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]

    live = started(Settings)
    vault.put("api", {"other": "k2"})
    with pytest.raises(UnresolvedSettingsError) as gone:
        live.refresh()
    assert reasons(gone.value) == [FieldNotFoundError]
    assert (live.newest.key, live.health().state) == ("k1", "invalid")


def test_nothing_kept_holds_what_has_rotated_away(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two rotations the first value is nowhere in what live settings hold."""
    vault.put("api", {"key": CANARY})
    monkeypatch.setenv("NAME", "kept")

    class Settings(VaultSettings):
        key: Annotated[SecretStr, "vault:api#key"]
        url: Annotated[str, "x${vault:api#key}"]
        part: Part
        made: Part = Field(default_factory=Part)  # type: ignore[arg-type]

    live = started(Settings)
    assert any(CANARY in text for text in texts_in(live))
    rotated(vault, live, "k2")
    live._listeners._news.clear()
    rotated(vault, live, "k3")
    live._listeners._news.clear()
    assert not any(CANARY in text for text in texts_in(live))


def texts_in(thing: object) -> Iterator[str]:
    """Yield every text that can be reached from *thing*, but by way of modules and classes."""
    seen: set[int] = set()
    waiting: list[object] = [thing]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type) or type(item).__name__ in AVOIDED:
            continue
        seen.add(id(item))
        if isinstance(item, str):
            yield str(item)
        if callable(item) and hasattr(item, "__globals__"):
            waiting += [cell.cell_contents for cell in item.__closure__ or ()]
            continue
        waiting += gc.get_referents(item)


AVOIDED = {"module", "Thread", "OurThread", "frame", "code"}


class Choice(BaseModel):
    kind: str = "a"
    key: Annotated[str, "vault:api#key"]


class Shapes(VaultSettings):
    """One of each shape that the vault's values can take."""

    model_config = VaultConfigDict(env_nested_delimiter="__", extra="allow")
    key: Annotated[SecretStr, "vault:api#key"]
    same: Annotated[str, "vault:api#key"]
    number: Annotated[int, "vault:api#number"]
    text: Annotated[str, "vault:api#number"]
    flag: Annotated[bool, "vault:api#flag"]
    items: Annotated[list[str], "vault:api#items"]
    decoded: Annotated[dict[str, Any], "vault:api#json"]
    anything: Annotated[Any, "vault:api#anything"]
    whole: Annotated[dict[str, Any], "vault:api"]
    maybe: Annotated[str | None, "vault:api?optional#key"] = None
    gone: Annotated[str, "vault:gone?optional#key"] = "default"
    url: Annotated[str, "db://${vault:api#key|urlquote}@${vault:db#host}"]
    choice: Choice
    choices: list[Choice] = Field([])
    given: list[str] = Field([])
    labels: dict[str, str] = Field({})
    merged: Annotated[dict[str, Any], "vault:db"] = Field({})


@pytest.mark.parametrize(
    "new",
    [
        {},
        {"key": "a/b ä"},
        {"number": "8"},
        {"number": 9, "flag": False},
        {"items": ["x"], "json": '{"a": "x"}'},
        {"anything": ["x"]},
        {"anything": None},
        {"anything": {"vault": "vault:api#key"}},
        {"key": "vault:db#host"},
        {"more": "x"},
    ],
)
def test_a_rebuild_ends_in_what_a_load_would(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch, new: dict[str, Any]
) -> None:
    """However the values stand in the input: settings and provenance are those of a new load."""
    first = {"key": "k1", "number": 7, "flag": True, "items": ["a"], "json": '{"a": 1}'}
    first["anything"] = "text"
    vault.put("api", first)
    monkeypatch.setenv("GIVEN", '["vault:api#key", "plain", "${vault:api#number}x"]')
    monkeypatch.setenv("LABELS__A", "vault:api#key")
    monkeypatch.setenv("MERGED__KEY", "vault:api#key")
    monkeypatch.setenv("CHOICES", '[{"kind": "b"}, {"key": "own"}]')
    live = started(Shapes, extra="vault:api#key")
    for value in (first | new, first, first | new):
        vault.put("api", value)
        live.refresh()
        fresh = Shapes(extra="vault:api#key")  # type: ignore[call-arg]
        assert live.newest == fresh
        assert provenance(live.newest) == provenance(fresh)


def test_a_rebuild_asks_for_nothing_but_what_has_rotated(vault: DevServer) -> None:
    """One request a refresh, also where the new value is of another shape."""

    class Settings(VaultSettings):
        key: Annotated[Any, "vault:api#key"]
        host: Annotated[str, "vault:db#host"]

    live = started(Settings)
    for key in ("k2", ["k3"], {"k": 4}, "k5"):
        vault.put("api", {"key": key})
        live.refresh()
        assert live.newest.key == key
    assert reads(vault) == [("api", "db")] * 5


def test_a_new_null_is_named(vault: DevServer) -> None:
    """The error of a rebuild says what that of a load would."""

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]

    live = started(Settings)
    vault.put("api", {"key": None})
    with pytest.raises(ValidationError, match="is null in the vault"):
        live.refresh()


def test_an_error_of_a_rebuild_holds_no_value(vault: DevServer) -> None:
    """Pydantic's error comes without input, as at the start."""

    class Settings(VaultSettings):
        key: Annotated[str, "vault:api#key"]
        port: Annotated[int, "vault:db#port"]

    live = started(Settings)
    vault.put("db", {"port": CANARY})
    with pytest.raises(ValidationError) as caught:
        live.refresh()
    assert CANARY not in f"{caught.value} {caught.value.errors()} {caught.value.json()}"


FORKING = """
import os, sys
from typing import Annotated
from vaultconfig import LiveSettings, VaultSettings

class Settings(VaultSettings):
    name: str = "default"
    key: Annotated[str, "vault:api#key"]

def refreshed():
    sys.stdin.readline()
    live.refresh()
    print(live.current.key, live.current.name, live.health().state, flush=True)

live = LiveSettings(Settings)
live.start()
print("started", flush=True)
refreshed()
nowhere = "http://127.0.0.1:9"
os.environ |= {"SCAIVAULT_URL": nowhere, "HTTP_PROXY": nowhere, "NAME": "changed"}
os.environ["SSL_CERT_FILE"] = "/nowhere"
os.environ.pop("VAULTCONFIG_TOKEN_FILE", None)
os.chdir("/")
if os.fork() == 0:
    refreshed()
    os._exit(0)
os.wait()
"""


def test_a_child_that_is_forked_after_a_rotation(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on with what its parent had kept, though the environment has changed."""
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    monkeypatch.setenv("VAULTCONFIG_TOKEN_FILE", "token")
    Path("token").write_text(vault.token)
    with subprocess.Popen(
        [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        for key in ("k2", "k3"):
            vault.put("api", {"key": key})
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{key} default fresh\n"
    assert process.returncode == 0


def proxied(vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the environment name *vault* as the proxy; return a URL behind it."""
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", vault.url)
    return "http://vault.invalid"


def encrypted(vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give *vault* a certificate, and the environment its authority; return its URL."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    vault.server.socket = context.wrap_socket(vault.server.socket, server_side=True)
    authority.cert_pem.write_to_path("ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", "ca.pem")
    return f"https://localhost:{vault.server.server_port}"


@pytest.mark.parametrize("surroundings", [proxied, encrypted])
def test_a_child_keeps_the_surroundings_of_its_parent(
    surroundings: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies and CA bundle are those of the start, in a forked child as in its parent."""
    versions = itertools.count(1)

    def respond(asked: Asked) -> Reply:
        if not asked.target.endswith("/v1/secrets/api"):
            return Reply(404)
        version = next(versions)
        return Reply(body=secret("api", version=version, data={"key": f"k{version}"}))

    with ScriptedVault() as vault:
        vault.respond = respond
        monkeypatch.setenv("SCAIVAULT_URL", surroundings(vault, monkeypatch))
        monkeypatch.setenv("VAULTCONFIG_ALLOW_HTTP", "1")
        done = subprocess.run(
            [sys.executable, "-c", FORKING],
            input="\n\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["started", "k2 default fresh", "k3 default fresh"]
