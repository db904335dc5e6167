"""Sources of a user's own: they work as in pydantic-settings, and loads leave them alone."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

from vaultconfig import VaultSettings, VaultSettingsSource, provenance
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "from vault", "items": ["x", "y"]})
    return vault_env


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]
    items: Annotated[list[str], Field(default_factory=list)]
    host: str = "default"


class Counting(EnvSettingsSource):
    """Remembers in itself how often it was called."""

    calls = 0

    def __call__(self) -> dict[str, Any]:
        self.calls += 1
        return super().__call__()


def choosing(*sources: Any) -> type[Settings]:
    class Choosing(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: Any, init_settings: Any, **others: Any
        ) -> Any:
            return (init_settings, *others.values(), *sources)

    return Choosing


def calls_in(load: Callable[[], object]) -> int:
    """Count the Python functions that *load* calls."""
    calls = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    gc.collect()  # else what other tests have left may call its finalizers meanwhile
    sys.setprofile(count)
    try:
        load()
    finally:
        sys.setprofile(None)
    return calls


def test_a_thousand_loads_with_sources_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last load does the same work as the first, in the same memory."""
    monkeypatch.setenv("ITEMS", "vault:app#items")
    cli = CliSettingsSource[Any](Settings, cli_parse_args=["--host", "from the command line"])
    once = Counting(Settings)
    model = choosing(once, lambda: {"host": "lower"})
    before = {name: set(vars(source)) for name, source in (("cli", cli), ("once", once))}

    def load() -> Settings:
        return model(_cli_settings_source=cli)

    def held() -> int:
        gc.collect()
        return len(gc.get_objects())

    for _ in range(100):
        load()
    first, held_first = calls_in(load), held()
    for _ in range(900):
        load()
    assert calls_in(load) == first
    assert held() - held_first < 100
    assert load().model_dump() == {
        "token": "from vault",
        "items": ["x", "y"],
        "host": "from the command line",
    }
    assert once.calls == 1003
    assert {"cli": set(vars(cli)), "once": set(vars(once)) - {"calls"}} == before


def test_a_shared_source_still_serves_a_class_that_is_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What our load makes of a source is not seen by others who use it."""
    monkeypatch.setenv("ITEMS", "vault:app#items")
    source = EnvSettingsSource(Settings)
    choosing(source)()
    assert type(source) is EnvSettingsSource
    with pytest.raises(ValueError, match='field "items"'):
        source()


def test_two_threads_with_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads that share a source do not see each other's values."""

    class Plain(BaseSettings):
        token: Annotated[str, "vault:app#token"]
        host: str = ""

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: Any, init_settings: Any, **others: Any
        ) -> Any:
            return (init_settings, shared)

    shared = VaultSettingsSource(Plain)
    model = choosing(EnvSettingsSource(Settings))

    def load(number: int) -> bool:
        name = str(number)
        return Plain(host=name).host == name == model(host=name).host

    monkeypatch.setenv("TOKEN", "from the environment")
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(load, range(400)))
    finally:
        sys.setswitchinterval(switching)


def test_plain_callables() -> None:
    """A function is a source, as in pydantic-settings; two of one name both count."""

    def more() -> dict[str, Any]:
        return {"host": "vault:app#token", "items": ["vault:app#token"]}

    settings = choosing(more)()
    assert (settings.host, settings.items) == ("from vault", ["from vault"])
    settings = choosing(lambda: {"host": "first"}, lambda: {"host": "second", "items": ["s"]})()
    assert (settings.host, settings.items) == ("first", ["s"])
    assert provenance(settings)["host"].source == "<lambda>"


class Slotted(PydanticBaseSettingsSource):
    """Keeps what it has outside of its ``__dict__``."""

    __slots__ = ("host",)

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return {"host": self.host}


def test_a_source_with_slots() -> None:
    """It is called as it is."""
    source = Slotted(Settings)
    source.host = "slotted"
    assert choosing(source)().host == "slotted"


class Registered(EnvSettingsSource):
    kinds: ClassVar[list[str]] = []

    def __init_subclass__(cls, *, kind: str) -> None:
        super().__init_subclass__()
        cls.kinds.append(kind)


class Derived(Registered, kind="derived"):
    pass


def test_a_source_that_says_how_to_derive_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load derives nothing that the class would hear of."""
    monkeypatch.setenv("ITEMS", "vault:app#items")
    assert choosing(Derived(Settings))().items == ["x", "y"]
    assert Registered.kinds == ["derived"]


def test_a_source_sees_what_those_before_it_gave() -> None:
    """``settings_sources_data`` has every source, the `.env` that is not there included."""
    seen: list[str] = []

    class Looking(EnvSettingsSource):
        def __call__(self) -> dict[str, Any]:
            seen.extend(self.settings_sources_data)
            return {"host": str(self.settings_sources_data["DotEnvSettingsSource"])}

    assert choosing(Looking(Settings))().host == "{}"
    assert seen == [
        "InitSettingsSource",
        "EnvSettingsSource",
        "DotEnvSettingsSource",
        "SecretsSettingsSource",
    ]


@pytest.mark.parametrize(
    ("name", "encoding", "told"),
    [("one.env", None, "one.env is not utf-8 at byte 6"), ("two.env", "ascii", "is not ascii at")],
)
def test_a_file_that_can_t_be_decoded(
    tmp_path: Path, name: str, encoding: str | None, told: str
) -> None:
    """The error names the file that it is, and the encoding that was tried."""
    (tmp_path / ".env").write_text("HOST=fine\n")
    file = tmp_path / name
    file.write_bytes(b"HOST=M\xfcller-CANARY\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings(_env_file=[".env", file], _env_file_encoding=encoding)
    assert told in str(caught.value)
    assert name in str(caught.value)
    assert "CANARY" not in repr(caught.value.__context__)

    class Choosing(Settings):
        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, **_: Any) -> Any:
            kwargs = {"env_file": file, "env_file_encoding": encoding}
            return (DotEnvSettingsSource(settings_cls, **kwargs),)

    with pytest.raises(ConfigurationError, match=name):
        Choosing(_env_file=None)


def test_a_private_attribute_of_the_users() -> None:
    """A subclass may call its attributes as it likes; ours has a name that is taken by none."""

    class Mine(Settings):
        _record: int = 7

    settings = Mine()
    assert settings._record == 7
    assert "from vault" not in repr(settings)
    assert provenance(settings)["token"].source == "vault"
    with pytest.raises(ConfigurationError, match="_vaultconfig_origins"):

        class Taken(Settings):
            _vaultconfig_origins: int = 7
