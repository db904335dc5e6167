"""Every two sources at once, in every spelling and shape: the value, where it came from, the log.

The table is written from the contract alone: the sources in their order, and a few rules.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, make_dataclass
from enum import Enum
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pytest
from pydantic import AliasChoices, AliasPath, ConfigDict, Field, ValidationError, create_model
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_settings import BaseSettings, SettingsConfigDict

from tests.settings.loading import connect, reasons
from vaultconfig import VaultConfigDict, VaultSettings, VaultSettingsSource, provenance
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, UnresolvedSettingsError


class Source(Enum):
    """What may give a field; the first wins."""

    COMMAND_LINE = "command line"
    ARGUMENT = "argument"
    ENVIRONMENT = "environment"
    FIELD = "vault field"  # a reference with `#field`, at the field itself
    WHOLE = "whole secret"  # a reference without `#field`, at the model that the field is in
    NAMED = "named .env"  # the class has an `env_file`
    DEFAULT = "default .env"  # the class has no `env_file` of its own

    @property
    def provenance(self) -> str:
        """The name that `provenance` has for it."""
        return "vault" if self in VAULT else ".env" if self in DOTENV else self.value


ABOVE_THE_VAULT: Final = (Source.COMMAND_LINE, Source.ARGUMENT, Source.ENVIRONMENT)
VAULT: Final = (Source.FIELD, Source.WHOLE)
DOTENV: Final = {Source.NAMED: "named.env", Source.DEFAULT: ".env"}

SPELLINGS: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "name": lambda value: {"field": value},
    "alias": lambda value: {"alias": value},
    "second": lambda value: {"second": value},
    "path": lambda value: {"route": {"leaf": value}},
    "index": lambda value: {"row": [value]},
}
ALIASES: Final = AliasChoices(
    "alias", "second", AliasPath("route", "leaf"), AliasPath("row", 0)
)  # and the name, by `populate_by_name`

SHAPES: Final = {
    "top level": "field",
    "nested model": "box.field",
    "pydantic dataclass": "box.field",
    "stdlib dataclass": "box.field",
    "list": "box.0.field",
    "union": "box.field",
}
"""What `provenance` calls the field."""

ENVIRONMENTS: Final = ("production", "development")

ANSWERS, MISSES, UNUSED = VAULTS = ("answers", "has no such secret", "is not referred to")
"""The vault, where it is one of the two; else whether the field refers to it all the same."""


@dataclass(frozen=True)
class Cell:
    """Two sources that give one field, each in its spelling."""

    higher: Source
    lower: Source
    higher_spelling: str
    lower_spelling: str
    shape: str
    environment: str
    vault: str

    def __str__(self) -> str:
        return (
            f"{self.higher.value} ({self.higher_spelling}) over {self.lower.value}"
            f" ({self.lower_spelling}), {self.shape}, {self.environment}, the vault {self.vault}"
        )

    def has(self, *sources: Source) -> bool:
        return self.higher in sources or self.lower in sources

    def spelling(self, source: Source) -> str | None:
        """How *source* spells the field, if it is one of the two."""
        return {self.higher: self.higher_spelling, self.lower: self.lower_spelling}.get(source)


WHOLE_TABLE: Final = [
    Cell(higher, lower, *cell)
    for higher, lower in combinations(Source, 2)
    for cell in product(SPELLINGS, SPELLINGS, SHAPES, ENVIRONMENTS, VAULTS)
]

IMPOSSIBLE: Final[Mapping[str, Callable[[Cell], bool]]] = {
    "a class that names an env_file does not read the default one": lambda cell: (
        cell.has(Source.NAMED) and cell.has(Source.DEFAULT)
    ),
    "a reference stands at the field, whose spelling does not matter to it": lambda cell: (
        cell.spelling(Source.FIELD) not in {None, "name"}
    ),
    "a secret is an object, which does not fit a scalar field": lambda cell: (
        cell.has(Source.WHOLE) and cell.shape == "top level"
    ),
    "a secret is an object and not a list, and a list's items carry no reference": lambda cell: (
        cell.has(Source.WHOLE) and cell.shape == "list"
    ),
    "a secret that is not there spells nothing": lambda cell: (
        cell.vault == MISSES and cell.spelling(Source.WHOLE) not in {None, "name"}
    ),
    "the vault gives nothing without a reference": lambda cell: (
        cell.has(*VAULT) and cell.vault == UNUSED
    ),
    "a vault that answers would be the third source": lambda cell: (
        not cell.has(*VAULT) and cell.vault == ANSWERS
    ),
    "without either secret there are no two sources to compare": lambda cell: (
        cell.has(Source.FIELD) and cell.has(Source.WHOLE) and cell.vault == MISSES
    ),
}
"""Why cells can't exist. Tests prove what is said of spellings and of whole secrets."""


def reason_against(cell: Cell) -> str | None:
    """Why *cell* can't exist: the first reason, None if it can."""
    return next((reason for reason, applies in IMPOSSIBLE.items() if applies(cell)), None)


TABLE: Final = [cell for cell in WHOLE_TABLE if reason_against(cell) is None]


# What the sources give.


def value_from(source: Source) -> str:
    return f"field from {source.value}"


def other_from(source: Source) -> str:
    return f"other from {source.value}"


def gives_other(source: Source, cell: Cell) -> bool:
    """Whether *source* gives the sibling of the field, too.

    The lower one does, so that it is seen whether it is laid under the higher one; and where that
    one can't, the higher one, so that nothing is left to the vault.
    """
    if source is cell.higher:
        return cell.lower is Source.FIELD or (cell.lower is Source.WHOLE and cell.vault == MISSES)
    return source is not Source.FIELD


def given_by(source: Source, cell: Cell) -> dict[str, Any]:
    """What *source* gives for the settings of *cell*, as nested data."""
    box = SPELLINGS[cell.spelling(source) or "name"](value_from(source))
    if gives_other(source, cell):
        box["other"] = other_from(source)
        if source is cell.higher and cell.shape == "union":
            box["kind"] = "one"  # the whole of it
    if cell.shape == "top level":
        return box
    return {"box": [box] if cell.shape == "list" else box}


JSON_SPELLINGS: Final = ("alias", "index")
"""Spelled so, a model is JSON in its own variable; else each of its fields is a variable."""


def variables(
    given: Mapping[str, Any], spelling: str, *, steps: str = "__", prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """Write *given* as variables, with *steps* between the names of a nested one."""
    for name, value in given.items():
        is_apart = (prefix or name == "box") and spelling not in JSON_SPELLINGS
        if isinstance(value, dict) and is_apart:
            inner = f"{prefix}{name}{steps}"
            yield from variables(value, spelling, steps=steps, prefix=inner)
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value)


def environment_variables(given: Mapping[str, Any], spelling: str) -> dict[str, str]:
    return {name.upper(): value for name, value in variables(given, spelling)}


def dotenv(given: Mapping[str, Any], spelling: str) -> str:
    lines = environment_variables(given, spelling).items()
    return "".join(f"{name}='{value}'\n" for name, value in lines)


def options(given: Mapping[str, Any], spelling: str, shape: str) -> list[str]:
    """Write *given* for the command line, which knows no option inside a path or plain class."""
    if spelling == "path" or shape == "stdlib dataclass":
        spelling = JSON_SPELLINGS[0]
    found = variables(given, spelling, steps=".")
    return [text for name, value in found for text in (f"--{name}", value)]


def give(
    source: Source, cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Let *source* give what it gives in *cell*; return the arguments that `Settings()` needs."""
    given, spelling = given_by(source, cell), cell.spelling(source) or ""
    if source is Source.COMMAND_LINE:
        return {"_cli_parse_args": options(given, spelling, cell.shape)}
    if source is Source.ARGUMENT:
        return given
    if source is Source.ENVIRONMENT:
        for name, value in environment_variables(given, spelling).items():
            monkeypatch.setenv(name, value)
    elif source in DOTENV:
        (tmp_path / DOTENV[source]).write_text(dotenv(given, spelling))
    return {}


# The classes.


class Plain(BaseSettings):
    """pydantic-settings alone."""

    model_config = SettingsConfigDict(
        populate_by_name=True, env_nested_delimiter="__", extra="ignore"
    )


class Unnamed(VaultSettings):
    model_config = VaultConfigDict(populate_by_name=True, env_nested_delimiter="__")


class Named(Unnamed):
    model_config = VaultConfigDict(env_file="named.env")


@cache
def settings_class(
    base: type[BaseSettings], shape: str, field_reference: str | None, whole_reference: str | None
) -> type[Any]:
    """Make the class whose field is of *shape*, with the references where there are any."""
    annotated: Any = Annotated
    marks = [mark for mark in (field_reference, Field(validation_alias=ALIASES)) if mark]
    field = annotated[(str, *marks)]
    if shape == "top level":
        return create_model("Settings", __base__=base, field=(field, ...), other=(str, "default"))
    box = box_type(shape, field)
    if whole_reference:
        box = annotated[box, whole_reference]
    return create_model("Settings", __base__=base, box=(box, ...))


def box_type(shape: str, field: Any) -> Any:
    """Make the type of what holds the field."""
    one_kind: Any = Literal["one"]
    two_kind: Any = Literal["two"]
    config = ConfigDict(populate_by_name=True)
    if "dataclass" in shape:
        parts: list[Any] = [("field", field), ("other", str, "default")]
        box = make_dataclass("Box", parts, namespace={"__pydantic_config__": config})
        return box if shape == "stdlib dataclass" else pydantic_dataclass(box)
    model: Any = create_model("Box", __config__=config, field=(field, ...), other=(str, "default"))
    if shape == "union":
        one = create_model("One", __base__=model, kind=(one_kind, "one"))
        two = create_model("Two", kind=(two_kind, "two"), another=(str, ""))
        return Annotated[one | two, Field(discriminator="kind")]
    return list[model] if shape == "list" else model


def class_of(cell: Cell) -> type[Any]:
    """The class of *cell*: it refers to the vault where that is one of the two sources."""
    there = "there" if cell.vault == ANSWERS else "gone"
    field_reference = whole_reference = None
    if cell.has(Source.WHOLE):
        siblings = "-and-other" * gives_other(Source.WHOLE, cell)
        whole_reference = f"vault:{there}/{cell.spelling(Source.WHOLE)}{siblings}"
    if cell.has(Source.FIELD) or (whole_reference is None and cell.vault == MISSES):
        field_reference = f"vault:{there}/field#key"
    base = Named if cell.has(Source.NAMED) else Unnamed
    return settings_class(base, cell.shape, field_reference, whole_reference)


SCAFFOLD: Final = {"list": '[{"other": "scaffold"}]', "union": '{"kind": "one"}'}
"""What the secrets directory, the lowest source, gives: items to be filled, and the tag."""


@pytest.fixture(scope="module")
def server() -> Iterator[DevServer]:
    with DevServer() as server:
        server.put("there/field", {"key": value_from(Source.FIELD)})
        for name, spelled in SPELLINGS.items():
            whole = spelled(value_from(Source.WHOLE))
            server.put(f"there/{name}", whole)
            server.put(f"there/{name}-and-other", whole | {"other": other_from(Source.WHOLE)})
        yield server


@pytest.fixture
def connected(server: DevServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DevServer:
    connect(monkeypatch, url=server.url, token=server.token)
    (tmp_path / "secrets").mkdir()
    return server


def part_of(settings: Any, shape: str) -> Any:
    """What holds the field in *settings*."""
    box = settings if shape == "top level" else settings.box
    return box[0] if isinstance(box, list) else box


# What has to come of it.


@dataclass(frozen=True)
class Outcome:
    """What is seen of one load."""

    value: str | None = None
    source: str | None = None
    other: str | None = None
    other_source: str | None = None  # of a default it need not be told
    warned_of: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def counts(source: Source, cell: Cell) -> bool:
    """Whether *source* may give the field in *cell*, and has it."""
    if source in VAULT:
        return cell.vault == ANSWERS
    if cell.environment == "development" or source in ABOVE_THE_VAULT:
        return True
    return source is Source.NAMED and not cell.has(*VAULT)  # of a vault field `.env` gives nothing


def expected(cell: Cell) -> Outcome:
    """What the contract says of *cell*."""
    vault_failed = cell.higher in VAULT and cell.vault == MISSES
    troubled = ("box" if cell.higher is Source.WHOLE else SHAPES[cell.shape],) * vault_failed
    winner = next((s for s in (cell.higher, cell.lower) if counts(s, cell)), None)
    if winner is None:
        return Outcome(failed=troubled)
    return Outcome(
        value=value_from(winner),
        source=winner.provenance,
        **expected_other(cell),
        warned_of=troubled,
    )


def expected_other(cell: Cell) -> dict[str, Any]:
    """The sibling: the lower source's, where a layer is laid under another field by field."""
    if gives_other(cell.higher, cell):
        return {"other": other_from(cell.higher), "other_source": cell.higher.provenance}
    is_read = cell.environment == "development" or cell.lower is not Source.DEFAULT
    # A reference at the field says nothing of its sibling, one at the model does.
    is_read &= cell.higher is not Source.WHOLE or counts(cell.lower, cell)
    if not is_read and cell.shape == "list" and cell.higher is Source.FIELD:
        return {"other": "scaffold", "other_source": "secrets directory"}
    if not is_read or (cell.shape == "list" and cell.higher is not Source.FIELD):
        return {"other": "default"}  # a list is one value: its items are not merged
    return {"other": other_from(cell.lower), "other_source": cell.lower.provenance}


def outcome(
    cell: Cell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Outcome:
    """Load the settings of *cell*, and say what is seen."""
    settings_cls = class_of(cell)
    for name in DOTENV.values():
        (tmp_path / name).unlink(missing_ok=True)
    caplog.clear()
    with monkeypatch.context() as patch:
        arguments = give(cell.lower, cell, tmp_path, patch)
        arguments |= give(cell.higher, cell, tmp_path, patch)
        if cell.shape in SCAFFOLD:
            (tmp_path / "secrets" / "box").write_text(SCAFFOLD[cell.shape])
            arguments["_secrets_dir"] = tmp_path / "secrets"
        try:
            settings = settings_cls(**arguments)
        except UnresolvedSettingsError as error:
            return Outcome(failed=tuple(failure.field for failure in error.failures))
        except Exception as error:
            return Outcome(failed=(f"{type(error).__name__}: {error}",))
    part, name = part_of(settings, cell.shape), SHAPES[cell.shape]
    sources = {name: origin.source for name, origin in provenance(settings).items()}
    other_source = sources.get(name.replace("field", "other"))
    messages = " ".join(record.getMessage() for record in caplog.records)
    return Outcome(
        value=part.field,
        source=sources.get(name),
        other=part.other,
        other_source=None if other_source == "default" else other_source,
        warned_of=tuple(re.findall(r"([\w.]+) \(vault:", messages)) or (messages,) * bool(messages),
    )


# The tests.


def test_the_table_is_the_whole_product() -> None:
    """Each cell is tried, or is listed with a reason, and this is how many there are."""
    counted = Counter(reason_against(cell) for cell in WHOLE_TABLE)
    print(f"\n{len(TABLE)} cells of {len(WHOLE_TABLE)}")  # noqa: T201 -- for `pytest -s`
    assert len(WHOLE_TABLE) == 21 * 5**2 * 6 * 2 * 3
    assert counted.keys() == {None, *IMPOSSIBLE}
    assert counted[None] == len(TABLE) == 7240
    assert counted.total() == len(WHOLE_TABLE)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "source", [Source.COMMAND_LINE, Source.ARGUMENT, Source.ENVIRONMENT, Source.NAMED]
)
def test_each_spelling_reaches_pydantic_settings_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Source, spelling: str, shape: str
) -> None:
    """No spelling is impossible for a source, and what the table gives is a value for the field."""
    cell = Cell(source, Source.FIELD, spelling, "name", shape, "production", ANSWERS)
    arguments = give(source, cell, tmp_path, monkeypatch)
    if source in DOTENV:
        arguments["_env_file"] = DOTENV[source]
    part = part_of(settings_class(Plain, shape, None, None)(**arguments), shape)
    assert (part.field, part.other) == (value_from(source), other_from(source))


def test_a_whole_secret_fits_neither_a_scalar_nor_a_list(connected: DevServer) -> None:
    """Such a reference is an error, at the latest when the settings are loaded."""
    assert "field" in reasons(settings_class(Unnamed, "top level", "vault:there/name", None))
    with pytest.raises((UnresolvedSettingsError, ValidationError)):
        settings_class(Unnamed, "list", None, "vault:there/name")()
    annotated: Any = Annotated
    reference = "vault:there/name"
    items: Any = list[annotated[box_type("nested model", str), reference]]  # type: ignore[misc]
    with pytest.raises((ConfigurationError, UnresolvedSettingsError)):
        create_model("Settings", __base__=Unnamed, box=(items, ...))()


ROWS: Final[dict[tuple[Source, Source, str, str], list[Cell]]] = {}
for cell in TABLE:
    ROWS.setdefault((cell.higher, cell.lower, cell.shape, cell.environment), []).append(cell)


@pytest.mark.parametrize(
    ("higher", "lower", "shape", "environment"),
    ROWS,
    ids=[f"{h.value} over {low.value}-{shape}-{env}" for h, low, shape, env in ROWS],
)
def test_the_higher_of_two_sources_gives_the_field(
    connected: DevServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    higher: Source,
    lower: Source,
    shape: str,
    environment: str,
) -> None:
    """In every spelling: its value, its provenance, its sibling's, and no needless warning."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", environment)
    before = len(connected.requests)
    cells = ROWS[higher, lower, shape, environment]
    wrong = {
        str(cell): (found, wanted)
        for cell in cells
        if (found := outcome(cell, tmp_path, monkeypatch, caplog)) != (wanted := expected(cell))
    }
    asked = {path for request in connected.requests[before:] for path in request.secrets}
    report = "\n".join(f"{cell}:\n  {found}\n  not {want}" for cell, (found, want) in wrong.items())
    assert not wrong, f"{len(wrong)} of {len(cells)} cells:\n{report}"
    if higher in ABOVE_THE_VAULT:  # what is given is not fetched
        assert not {path for path in asked if path == "there/field" or path.startswith("gone/")}


# A mapping has keys, not fields: what is given whole is complete.


class UnnamedLabelled(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    labels: Annotated[dict[str, str], "vault:there/labels"]


class Labelled(UnnamedLabelled):
    model_config = VaultConfigDict(env_file="named.env")


class PlainLabelled(BaseSettings):
    model_config = SettingsConfigDict(env_nested_delimiter="__", env_file="named.env")
    labels: Annotated[dict[str, str], "vault:there/labels"]

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: Any, **named: Any
    ) -> tuple[Any, ...]:
        return (*sources, *named.values(), VaultSettingsSource(settings_cls))


VAULT_LABELS: Final = {"both": "vault", "vault": "vault"}
GIVEN: Final = {"both": "given", "given": "given"}
WHOLE_GIVEN: Final = json.dumps(GIVEN)


@pytest.fixture
def labels(connected: DevServer) -> DevServer:
    connected.put("there/labels", VAULT_LABELS)
    return connected


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("base", [Labelled, UnnamedLabelled, PlainLabelled])
@pytest.mark.parametrize(
    ("how", "is_whole"),
    [
        ("argument", True),
        ("command line", True),
        ("variable", True),
        ("variable and key", True),
        ("key", False),
    ],
)
def test_a_mapping_is_complete_where_it_is_given_whole(
    labels: DevServer,
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    base: type[Any],
    how: str,
    is_whole: bool,
) -> None:
    """Nothing is fetched for it; keys that are given singly are laid over the vault's."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", environment)
    arguments: dict[str, Any] = {}
    if how == "argument":
        arguments["labels"] = GIVEN
    elif how == "command line":
        arguments["_cli_parse_args"] = ["--labels", WHOLE_GIVEN]
    else:
        if "variable" in how:
            monkeypatch.setenv("LABELS", '{"both": "given"}' if "key" in how else WHOLE_GIVEN)
        if "key" in how:
            monkeypatch.setenv("LABELS__GIVEN", "given")
        if how == "key":
            monkeypatch.setenv("LABELS__BOTH", "given")
    before = len(labels.requests)
    is_complete = is_whole or base is PlainLabelled  # which can't tell the two apart
    assert base(**arguments).labels == (GIVEN if is_complete else VAULT_LABELS | GIVEN)
    assert (len(labels.requests) == before) is is_complete


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("base", [Labelled, UnnamedLabelled, PlainLabelled])
@pytest.mark.parametrize("how", ["variable", "key"])
def test_a_mapping_in_dotenv_never_changes_a_key_of_the_vault(
    labels: DevServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: str,
    base: type[Any],
    how: str,
) -> None:
    """In production nothing is taken from there; in development the vault's keys are on top."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", environment)
    text = f"LABELS='{WHOLE_GIVEN}'" if how == "variable" else "LABELS__BOTH=x\nLABELS__GIVEN=x"
    (tmp_path / ("named.env" if base is not UnnamedLabelled else ".env")).write_text(text)
    found = base().labels
    assert found.items() >= VAULT_LABELS.items()
    assert environment == "development" or found == VAULT_LABELS
