"""What somebody tried who wanted to see a value, or to have another one taken for it."""

from __future__ import annotations

import reprlib
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import AfterValidator, AliasPath, BaseModel, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings

from tests.settings.loading import unresolved
from vaultconfig import LiveSettings, VaultConfigDict, VaultSettings, VaultSettingsSource
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.needs import REFERENCE_KEY
from vaultconfig.masking.values import mask

CANARY = "kq7Zp-pL4in-Xw93mVtR"


@pytest.fixture
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": CANARY, "short": "h7Q!x2"})
    return vault_env


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]


@pytest.mark.usefixtures("development")
@pytest.mark.parametrize("name", ["SCAIVAULT_TOKEN", "SCAIVAULT_TENANT_ID", "SCAIVAULT_URL"])
def test_a_cloned_env_file_expands_nothing(
    name: str, vault: DevServer, env_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process holds can't be sent away by naming it in the connection of a `.env`."""
    monkeypatch.setenv("SOMEBODYS_SECRET", CANARY)
    own = {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token}
    lines = [f"{key}={value}" for key, value in (own | {name: "${SOMEBODYS_SECRET}"}).items()]
    env_file("\n".join(lines))
    assert f"{name} in .env holds '${{'" in str(unresolved(Settings))
    assert not vault.requests


def test_deeply_nested_json(app: DevServer) -> None:
    """What is too deep for Python is refused as a value, and its frames show nothing."""

    class Deep(VaultSettings):
        deep: Annotated[dict[str, Any], "vault:deep#text"]

    text = '{"pw":"' + CANARY + '","x":' + '{"x":' * 600 + "1" + "}" * 600 + "}"
    app.put("deep", {"text": text})
    error = unresolved(Deep)
    assert "is not a JSON object" in str(error)
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert CANARY not in "".join(shown.format())


class Anything(VaultSettings):
    model_config = VaultConfigDict(extra="allow")
    value: Any = None


class PlainAnything(BaseSettings):
    value: Any = None

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: Any, env_settings: Any, **others: Any
    ) -> tuple[Any, ...]:
        return init_settings, env_settings, VaultSettingsSource(settings_cls)


@pytest.mark.parametrize("kind", [Anything, PlainAnything])
@pytest.mark.parametrize("wrap", [lambda x: {"x": x}, lambda x: [x]])
@pytest.mark.usefixtures("vault_env")
def test_deeply_nested_arguments(kind: Any, wrap: Callable[[Any], Any]) -> None:
    """What is too deep for Python is an error that says so, without what is nested."""
    value: Any = "leaf"
    for _ in range(5000):
        value = wrap(value)
    with pytest.raises(ConfigurationError, match="nested too deeply") as caught:
        kind(value=value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("levels", [900, 200_000])
@pytest.mark.usefixtures("vault_env")
def test_deeply_nested_variables(levels: int, env_file: Callable[[str], Path]) -> None:
    """So is the JSON of a variable."""

    class Read(VaultSettings):
        model_config = VaultConfigDict(env_file=".env")
        value: dict[str, Any]

    text = '{"x":' * levels + "1" + "}" * levels
    env_file(f"VALUE='{text}'")
    with pytest.raises(ConfigurationError, match="nested too deeply") as caught:
        Read()
    assert caught.value.__context__ is None


def test_reprlib_shows_nothing() -> None:
    """Pytest and rich print the beginning of a long text, which is as secret as the whole."""
    assert CANARY not in reprlib.repr(mask({"a": CANARY}))
    assert CANARY[:4] not in repr(mask(CANARY)[:8])


def test_assignments(app: DevServer) -> None:
    """A class that validates them has errors as clean as those of a load."""

    class Assigned(Settings):
        model_config = VaultConfigDict(validate_assignment=True)
        number: int = 1

        @model_validator(mode="after")
        def check(self) -> Assigned:
            if self.number > 5:
                raise ValueError(f"too large beside {self.token}")
            return self

    settings = Assigned()
    for value in (9, settings.token):
        with pytest.raises(ValidationError) as caught:
            settings.number = value  # type: ignore[assignment]  # what is refused
        error = caught.value
        assert CANARY not in f"{error} {error.errors()} {error.json()} {error.__context__}"
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        assert not [f for f in frames if f.f_code.co_filename != __file__ and "value" in f.f_locals]
    settings.number = 5
    assert settings.number == 5


def test_what_goes_into_a_template_is_not_quoted(app: DevServer) -> None:
    """A message may neither quote the whole text nor what was inserted, decoded as it may be."""
    app.put("db", {"password": "p@ss/w0rd:häÿ"})

    def check(dsn: str) -> str:
        parts = urlsplit(dsn)
        raise ValueError(f"bad {unquote(parts.password or '')!r} of {parts.username!r}")

    class Templated(VaultSettings):
        dsn: Annotated[
            str,
            "postgresql://${vault:app#short}:${vault:db#password|urlquote}@db/app",
            AfterValidator(check),
        ]

    with pytest.raises(ValidationError, match="withheld") as caught:
        Templated()
    assert "häÿ" not in str(caught.value)
    assert "h7Q!x2" not in str(caught.value)


def test_another_name_in_the_env_file(
    app: DevServer, env_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment gives under one name, `.env` does not take away under another."""

    class Named(VaultSettings):
        model_config = VaultConfigDict(env_file=".env", populate_by_name=True)
        token: Annotated[str, "vault:app#token"] = Field("default", alias="tok")

    env_file("TOK=from-file\n")
    monkeypatch.setenv("TOKEN", "from-environment")
    assert Named().token == "from-environment"
    assert not app.requests


@pytest.mark.usefixtures("development")
def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    """The error names the file and the place, and does not hold what is in it."""
    (tmp_path / ".env").write_bytes(b"SCAIVAULT_TOKEN=" + CANARY.encode() + b"\nNAME=M\xfcller\n")
    with pytest.raises(ConfigurationError, match="env is not utf-8 at byte") as caught:
        Settings()
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert CANARY not in "".join(shown.format())


def test_closing_one_leaves_the_others_alone(app: DevServer) -> None:
    """Settings that are being loaded outlive live settings on the same connection."""

    class Other(VaultSettings):
        token: Annotated[str, "vault:other#token"]

    app.put("other", {"token": "other"})
    live = LiveSettings(Settings)
    live.start()
    app.hold("other")
    loaded: list[Other] = []
    thread = threading.Thread(target=lambda: loaded.append(Other()))
    thread.start()
    app.wait_until_asked()
    live.close()
    app.release()
    thread.join()
    assert [settings.token for settings in loaded] == ["other"]


def test_extra_keys_are_plain(app: DevServer) -> None:
    """A value under a key that is no field is an exact text, too."""

    class Extra(VaultSettings):
        model_config = VaultConfigDict(extra="allow")

    settings = Extra(other="vault:app#token")
    assert type(settings.other) is str  # type: ignore[attr-defined]  # that is extra
    assert CANARY not in repr(settings)


def test_extra_keys_may_have_dots(app: DevServer) -> None:
    """As the name of a host has; in whatever is below one, too."""

    class Extra(VaultSettings):
        model_config = VaultConfigDict(extra="allow")

    app.put("odd", {"a.b": [CANARY]})
    settings = Extra(**{"db.example.org": "vault:app#token", "x.y": {"z.z": "vault:odd"}})
    extra = settings.model_extra
    assert extra == {"db.example.org": CANARY, "x.y": {"z.z": {"a.b": [CANARY]}}}
    assert type(extra["db.example.org"]) is type(extra["x.y"]["z.z"]["a.b"][0]) is str
    assert CANARY not in repr(settings)


def test_a_signal_handler_may_load(app: DevServer) -> None:
    """It does not wait for the load that it has interrupted, nor does that fail."""
    seen: list[str] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(Settings().token))
    try:
        app.hold("app")

        def interrupt() -> None:
            app.wait_until_asked()
            app.release()
            signal.raise_signal(signal.SIGUSR1)

        thread = threading.Thread(target=interrupt)
        thread.start()
        assert Settings().token == CANARY
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen in ([], [CANARY])


class Endless(BaseModel):
    value: Annotated[str, "vault:app#token"]
    child: Endless


def test_a_model_that_requires_itself(app: DevServer) -> None:
    """It can't be filled, which pydantic says in its own way."""

    class Holder(VaultSettings):
        endless: Endless

    with pytest.raises(ValidationError, match="Field required"):
        Holder()


class Branching(BaseModel):
    value: Annotated[str, "vault:app#token"]
    left: Branching = None  # type: ignore[assignment]  # which many write
    right: Branching = None  # type: ignore[assignment]


def test_a_model_that_contains_itself_twice(app: DevServer) -> None:
    """What no source mentions ends there: doubled at each level, it would take for ever."""

    class Holder(VaultSettings):
        tree: Branching

    assert Holder().tree.value == CANARY


@pytest.mark.parametrize("reference", [{REFERENCE_KEY: "vault:app#token"}, {REFERENCE_KEY: 5}])
def test_our_own_key_in_the_vault(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, reference: dict[str, Any]
) -> None:
    """Who may write one secret can't read another by it, where a value refers to the first."""

    class Held(VaultSettings):
        whole: dict[str, Any]
        inside: Annotated[dict[str, Any], Field(validation_alias=AliasPath("holder", "odd"))]

    app.put("odd", {"odd": reference})
    monkeypatch.setenv("WHOLE", "vault:odd")
    monkeypatch.setenv("HOLDER", "vault:odd")
    held = Held()
    assert held.whole == {"odd": reference}
    assert held.inside == reference


def test_names_that_are_no_text(app: DevServer) -> None:
    """Control characters in the keys of a secret reach no terminal."""
    app.put("odd", {"\x1b]0;pwn\x07": "x"})

    class Odd(VaultSettings):
        token: Annotated[str, "vault:odd#token"]

    assert "\x1b" not in str(unresolved(Odd))
