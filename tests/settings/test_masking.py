"""Settings print no value from the vault, whatever type the field has."""

import datetime
import logging
import pickle
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from types import new_class
from typing import Annotated, Any, NamedTuple, Self, get_origin
from uuid import UUID

import pytest
from pydantic import (
    AnyUrl,
    BaseModel,
    BeforeValidator,
    Field,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    model_validator,
)

from vaultconfig import VaultConfigDict, VaultSettings, provenance
from vaultconfig.devserver import DevServer
from vaultconfig.errors import UnresolvedSettingsError
from vaultconfig.loading.report import Provenance
from vaultconfig.masking.values import is_masked

CANARY = "canary-7f3a9c"
MASK = "**********"


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": CANARY, "number": 987654321, "real": 98765.4321, "yes": True})
    vault_env.put("typed", {"url": f"https://{CANARY}.example.com", "uuid": str(UUID(int=7))})
    vault_env.put("typed2", {"decimal": "98765.4321", "date": "2031-01-02", "path": f"/{CANARY}"})
    return vault_env


class Database(BaseModel):
    password: Annotated[str, "vault:app#token"]
    host: str = "localhost"


@dataclass
class Legacy:
    password: Annotated[str, "vault:app#token"]
    host: str = "h"
    hidden: str = field(default="hidden", repr=False)


class Everything(VaultSettings):
    text: Annotated[str, "vault:app#token"]
    number: Annotated[int, "vault:app#number"]
    real: Annotated[float, "vault:app#real"]
    template: Annotated[str, "<${vault:app#token}>"]
    anything: Annotated[Any, "vault:app"]
    whole: Annotated[dict[str, Any], "vault:app"]
    secret: Annotated[SecretStr, "vault:app#token"]
    raw: Annotated[SecretBytes, "vault:app#token"]
    url: Annotated[AnyUrl, "vault:typed#url"]
    uuid: Annotated[UUID, "vault:typed#uuid"]
    decimal: Annotated[Decimal, "vault:typed2#decimal"]
    date: Annotated[datetime.date, "vault:typed2#date"]
    path: Annotated[Path, "vault:typed2#path"]
    database: Database
    legacy: Legacy
    databases: list[Database] = Field(default_factory=list)
    by_value: list[str] = Field(default_factory=list)
    plain: str = "plain text"


def shown(value: object) -> list[str]:
    return [repr(value), str(value), f"{value}", f"{value!r}", "%s" % (value,)]  # noqa: UP031


def test_nothing_from_the_vault_is_printed() -> None:
    """``repr``, ``str`` and f-strings mask all of it, and show the rest."""
    settings = Everything(databases=[{}], by_value=["vault:app#token"])
    for text in shown(settings):
        for value in (CANARY, "987654321", "98765.4321", "2031", UUID(int=7).hex[-4:] + "')"):
            assert value not in text
        assert "plain='plain text'" in text
        assert f"Database(password='{MASK}', host='localhost')" in text
        assert f"Legacy(password='{MASK}', host='h')" in text


def test_the_values_are_plain_all_the_same() -> None:
    """What is masked in print is an ordinary value in the program."""
    settings = Everything(databases=[{}], by_value=["vault:app#token"])
    assert type(settings.text) is str
    assert (settings.text, settings.number, settings.real) == (CANARY, 987654321, 98765.4321)
    assert settings.anything == {
        "token": CANARY,
        "number": 987654321,
        "real": 98765.4321,
        "yes": True,
    }
    flat = [*settings.anything.values(), *settings.whole.values(), settings.by_value[0]]
    assert not any(map(is_masked, flat))
    assert f"{settings.text}" == CANARY


def test_values_deep_inside_are_plain_too() -> None:
    """Any, in a list, a tuple, a dataclass or a model, comes out unmasked."""

    @dataclass
    class Holder:
        anything: Annotated[Any, "vault:app#token"]

    class Model(BaseModel):
        anything: Annotated[Any, "vault:app"]

    class Settings(VaultSettings):
        holder: Holder
        model: Model
        pair: Annotated[tuple[Any, ...], '["${vault:app#token}"]']
        items: list[Any]

    settings = Settings(items=[("vault:app#token",)])
    found = [settings.holder.anything, settings.model.anything["token"], settings.pair[0]]
    assert [*found, settings.items[0][0]] == [CANARY] * 4
    assert not any(map(is_masked, [*found, settings.items[0][0]]))


class Pair(NamedTuple):
    first: Any
    second: Any


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (dict, '{"k": "v"}', {"k": "v"}),
        (OrderedDict, '{"k": "v"}', OrderedDict(k="v")),
        (OrderedDict[Any, Any], '{"k": "v"}', OrderedDict(k="v")),
        (defaultdict[Any, list[Any]], '{"k": ["v"]}', defaultdict(list, k=["v"])),
        (Counter, '{"k": 2}', Counter(k=2)),
        (list, '["v"]', ["v"]),
        (tuple, '["v"]', ("v",)),
        (set, '["v"]', {"v"}),
        (frozenset, '["v"]', frozenset({"v"})),
        (deque, '["v"]', deque(["v"])),
        (Pair, '["v", "w"]', Pair("v", "w")),
    ],
)
def test_a_collection_is_plain_and_of_its_kind(
    app: DevServer, annotation: Any, text: str, expected: Any
) -> None:
    """What pydantic makes of a JSON text stays of that kind, with plain values in it."""
    app.put("json", {"text": text})
    settings: Any = new_class(
        "Settings",
        (VaultSettings,),
        exec_body=lambda names: names.update(
            __annotations__={"value": Annotated[annotation, "vault:json#text"]}
        ),
    )()
    assert settings.value == expected
    assert repr(settings.value) == repr(expected)
    assert not any(map(is_masked, settings.value))
    assert getattr(settings.value, "default_factory", list) is list
    settings.model_dump()  # which would warn of a value of another kind


def test_a_traceback_with_locals_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A tool that prints the locals of each frame prints a settings object masked."""
    settings = Everything()
    frame = sys._getframe()
    assert CANARY not in repr(frame.f_locals["settings"])
    assert settings.text == CANARY


def test_computed_fields_and_copies_of_a_value_are_masked() -> None:
    """What is made from a secret is as secret, whether computed or copied to another field."""

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token"]
        copy_of_it: str = ""
        plain: str = "plain"

        def model_post_init(self, context: Any) -> None:
            self.copy_of_it = f"Bearer {self.token}"

        @computed_field
        @property
        def header(self) -> str:
            return self.token[::-1]

        louder: str = Field(default_factory=lambda data: data["token"].upper())

    text = repr(Settings())
    assert CANARY not in text
    assert CANARY.upper() not in text
    assert CANARY[::-1] not in text
    assert "plain='plain'" in text


def test_what_a_validator_copies_is_plain() -> None:
    """A finished value is an ordinary one, in whatever field somebody has put it."""

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token"]
        whole: Annotated[Any, "vault:app#token"]
        copied: Any = None
        other: Any = Field(default_factory=lambda data: [data["whole"]])

        @model_validator(mode="before")
        @classmethod
        def copy_it(cls, data: dict[str, Any]) -> dict[str, Any]:
            return {**data, "copied": {"a": [data["token"].strip()], data["token"]: data["token"]}}

    settings = Settings()
    texts = [*settings.copied, *settings.copied["a"], *settings.copied.values(), *settings.other]
    assert CANARY in texts
    assert not any(map(is_masked, texts))


@pytest.mark.parametrize("kind", [str, SecretStr, Any])
@pytest.mark.parametrize("secret", ["token", "number", "real"])
def test_a_mask_is_no_value(kind: Any, secret: str) -> None:
    """A validator that prints a secret gets its mask, which is not taken for the secret."""
    shown = BeforeValidator(lambda value: [repr(value)] if kind is Any else f"x{value!r}")

    class Settings(VaultSettings):
        fine: Annotated[str, "vault:app#token"]
        printed: Annotated[kind, f"vault:app#{secret}", shown]

    with pytest.raises(UnresolvedSettingsError) as caught:
        Settings()
    (failure,) = caught.value.failures
    assert failure.field == "printed"
    assert "the mask of a secret" in str(failure)


def test_a_mask_in_another_field_is_no_value(app: DevServer) -> None:
    """Wherever a validator or a factory has put it, unless it was given or is the default."""
    shown = "x=" + MASK

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token"]
        whole: Annotated[dict[str, Any], "vault:app"]
        before: str = ""
        made: str = Field(default_factory=lambda data: f"{data['whole']}")
        after: SecretStr = SecretStr("")
        default: str = shown
        given: str = ""

        @model_validator(mode="before")
        @classmethod
        def print_it(cls, data: dict[str, Any]) -> dict[str, Any]:
            return {**data, "before": f"{data['token']!r}", "new": [f"{data['token']!r}"]}

        @cached_property
        def summary(self) -> str:
            return repr(self)

        @model_validator(mode="after")
        def print_all(self) -> Self:
            assert MASK in self.summary  # which is not a field
            self.after = SecretStr(f"{self.whole}")
            return self

    class Extra(Settings, extra="allow"):
        pass

    for cls, names in ((Settings, []), (Extra, ["new"])):
        with pytest.raises(UnresolvedSettingsError) as caught:
            cls(given=shown)
        failed = [failure.field for failure in caught.value.failures]
        assert failed == ["before", "made", "after", *names]


@pytest.mark.parametrize("kind", [SecretStr, Secret[str]])
def test_what_a_validator_hides_is_plain_inside(kind: Any, app: DevServer) -> None:
    """Drivers want an exact text, and a masked one inside would print as the mask."""
    app.put("object", {"whole": {"token": CANARY, "ports": [5432]}})
    hide = BeforeValidator(lambda value: kind(value.strip()))

    class Settings(VaultSettings):
        hidden: Annotated[kind, hide, "vault:app#token"]
        whole: Annotated[Secret[dict[str, Any]], "vault:object#whole"]

    settings = Settings()
    assert type(settings.hidden) is (get_origin(kind) or kind)
    assert type(settings.hidden.get_secret_value()) is str
    assert f"{settings.whole.get_secret_value()}" == f"{{'token': '{CANARY}', 'ports': [5432]}}"
    assert CANARY not in repr(settings)


def test_a_secret_that_looks_like_a_mask(app: DevServer) -> None:
    """It is a value like any other, and a validator may print what it likes."""
    app.put("masks", {"token": f"{MASK}{MASK}"})

    class Settings(VaultSettings):
        other: Annotated[str, "vault:app#token"]
        token: Annotated[str, "vault:masks#token", BeforeValidator(lambda v: repr(v) and v)]
        copied: str = Field(default_factory=lambda data: data["token"])

    assert Settings().token == Settings().copied == MASK + MASK


def test_keys_with_dots() -> None:
    """A key of a mapping may look like the name of something inside another."""

    class Hosts(VaultSettings):
        hosts: dict[str, Database]

    hosts: Any = {"db.example.com": {}, "db": {"host": "plain"}}
    shown = repr(Hosts(hosts=hosts))
    assert CANARY not in shown
    assert "host='plain'" in shown


def test_what_others_gave_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that was to come from the vault and did not is printed as pydantic does."""

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token"]

    assert repr(Settings(token="own")) == "Settings(token='own')"


def test_fields_that_are_not_printed_stay_so() -> None:
    """``repr=False`` is respected."""
    assert "hidden" not in repr(Everything())


def test_copies_and_pickles_mask_as_well() -> None:
    """A copy knows as much about its values as the original."""
    settings = Everything()
    for other in (settings.model_copy(), settings.model_copy(deep=True)):
        assert CANARY not in repr(other)
        assert provenance(other) == provenance(settings)
    assert CANARY not in repr(pickle.loads(pickle.dumps(settings)))


def test_dumps_are_plain() -> None:
    """A dump is asked for, and holds plain values."""
    dumped = Everything().model_dump()
    assert dumped["text"] == CANARY
    assert "canary" in Everything().model_dump_json()


def test_the_log_of_sources_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """``PYDANTIC_SETTINGS_DEBUG`` shows no value, nor does any other logger at its loudest."""
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    caplog.set_level(logging.DEBUG)

    class Outer(VaultSettings):
        model_config = VaultConfigDict(nested_model_default_partial_update=True)
        inner: Everything

    Outer(inner={"by_value": ["vault:app#token"]})
    assert CANARY not in caplog.text


class TestProvenance:
    """Where each field came from, by dotted name."""

    def test_paths_and_versions(self, app: DevServer) -> None:
        """A field from the vault has its path and version; a template has several."""
        app.put("app", {"token": "second"})

        class Settings(VaultSettings):
            token: Annotated[str, "vault:app#token"]
            pinned: Annotated[str, "vault:app?version=1#token"]
            template: Annotated[str, "${vault:app#token}${vault:typed#url}${vault:app#token}"]
            plain: int = 1

        assert provenance(Settings()) == {
            "token": Provenance("vault", (("app", 2),)),
            "pinned": Provenance("vault", (("app", 1),)),
            "template": Provenance("vault", (("app", 2), ("typed", 1))),
            "plain": Provenance("default"),
        }
        found = provenance(Settings())
        assert (found["token"].path, found["token"].version) == ("app", 2)
        assert (found["plain"].path, found["plain"].version) == (None, None)

    def test_an_object_is_traced_part_by_part(
        self, monkeypatch: pytest.MonkeyPatch, env_file: Any
    ) -> None:
        """Of a whole object each part is told, with what lies over it and what does not count."""

        class Inner(BaseModel):
            token: str
            number: int = 0
            host: str = ""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_nested_delimiter="__")
            inner: Annotated[Inner, "vault:app"]
            other: Inner

        monkeypatch.setenv("INNER__NUMBER", "5")
        monkeypatch.setenv("OTHER", "vault:app")
        monkeypatch.setenv("OTHER__NUMBER", "6")
        file = env_file("INNER__TOKEN=stale\nINNER__HOST=stale\n")
        found = {
            name: origin.source for name, origin in provenance(Settings(_env_file=file)).items()
        }
        assert (
            found.items()
            >= {
                "inner.token": "vault",
                "inner.number": "environment",
                "other.token": "vault",
                "other.number": "environment",
            }.items()
        )
        assert "inner.host" not in found
        assert not any("reference" in name for name in found)
        below = env_file("OTHER='vault:app'\nOTHER__NUMBER=7\n")
        monkeypatch.delenv("OTHER")
        monkeypatch.delenv("OTHER__NUMBER")
        settings = Settings(_env_file=below)
        assert settings.other.number == 7
        assert provenance(settings)["other.number"].source == ".env"
        assert provenance(settings)["other.token"].source == "vault"
        file = env_file("INNER__TOKEN=stale\nINNER__HOST=stale\nOTHER__TOKEN=x\n")
        development = provenance(Settings(_env_file=file, _vault_environment="dev"))
        assert development["inner.host"].source == ".env"
        assert development["inner.token"].source == "vault"

    def test_it_holds_no_value(self) -> None:
        """It tells names, never values; the keys of a text that is JSON are part of a value."""

        class Settings(VaultSettings):
            named: Annotated[dict[str, int], '{"${vault:app#token}": 1}']

        settings = Settings()
        assert settings.named == {CANARY: 1}
        assert CANARY not in repr(provenance(settings)) + repr(settings)
        assert CANARY not in repr(provenance(Everything()))

    def test_constructed_settings_have_none(self) -> None:
        """An instance that pydantic made without loading has defaults only."""

        class Settings(VaultSettings):
            token: Annotated[str, "vault:app#token"]

        assert provenance(Settings.model_construct()) == {"token": Provenance("default")}
