"""A settings class as a ``.env.example``: its variables, and what to know of them. Pure, no I/O.

A line counts only where it changes nothing, or where a value is missing anyway; all others are
comments. No default is shown that is, or may be, a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic_settings import BaseSettings

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.annotations import class_of, is_model, members_of
from vaultconfig.loading.fields import ModelField, fields_of, walk
from vaultconfig.loading.needs import references_of
from vaultconfig.loading.places import ABSENT, get_at, set_at
from vaultconfig.references import as_text
from vaultconfig.render import dotenv
from vaultconfig.render.proof import read_back
from vaultconfig.render.rules import refers
from vaultconfig.render.variables import Lookup, lookups_in, text_of

LooksSecret: TypeAlias = Callable[[str, str], bool]
"""Whether a variable of this name and text is likely to be a secret."""


def example(settings_cls: type[BaseSettings], looks_secret: LooksSecret) -> str:
    """Return the text of the example: the same for the same class."""
    defaults = _Defaults(looks_secret)
    # With no name in `vault`, "ours" is what annotations leave to the vault.
    lookups = lookups_in(settings_cls, defaults.of_model(settings_cls), ())
    above = {item.name: item.field for item in lookups}
    parents = {name.rpartition(".")[0] for name in above}
    found = {
        item.key: _Entry(settings_cls, item, looks_secret)
        for item in lookups
        if item.name not in parents
    }
    # The innermost first, since what counts in a model decides what counts around it.
    for parent in [item for item in reversed(lookups) if item.name in parents]:
        inside = [e for e in found.values() if e.lookup.name.startswith(f"{parent.name}.")]
        values = {entry.lookup.key: entry.text for entry in inside if entry.counts}
        if values and not defaults.stay(settings_cls, parent, values):
            for entry in inside:
                entry.counts = False
    name = f"{settings_cls.__module__}:{settings_cls.__qualname__}"
    blocks = [[f"# Variables of {name}: copy this to .env, and fill in what is required."]]
    for item in lookups:
        if item.name in parents:
            blocks.append(_description(item.field))
        elif found[item.key].lookup is item:  # else it shares the variable of another field
            blocks.append(list(found[item.key].lines(above)))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


@dataclass(init=False)
class _Entry:
    """A variable of the example.

    Attributes:
        lookup: The field that it gives.
        text: Of its default, or empty.
        counts: Whether it is more than a comment.
    """

    lookup: Lookup
    text: str
    counts: bool

    def __init__(
        self, settings_cls: type[BaseSettings], lookup: Lookup, looks_secret: LooksSecret
    ) -> None:
        self.lookup, self.text = lookup, ""
        required = lookup.field.info.is_required() and not lookup.field.models
        if lookup.is_set and len(lookup.place) == len(lookup.entry):
            with suppress(ConfigurationError):  # what is no text can't stand in a .env
                text = str(text_of(lookup))
                self.text = "" if looks_secret(lookup.key, text) or refers(text) else text
        self.counts = not lookup.is_ours and (required or bool(self.text) or lookup.value == "")
        try:
            line = dotenv.encode(lookup.key, self.text)
            self._line = line if self.text else f"{lookup.key}="
            state = read_back(settings_cls, {lookup.key: self.text}) if self.counts else {}
        except ConfigurationError:  # nothing that a .env can hold, or that the class can read
            self.text, self._line, self.counts = "", f"{lookup.key}=", False
        else:
            self.counts &= required or _is_read_as(lookup.value, lookup, state)

    def lines(self, above: Mapping[str, ModelField]) -> Iterator[str]:
        """Yield the lines of it.

        Args:
            above: All fields by name: the models around this one may have its reference.
        """
        field = self.lookup.field
        yield from _description(field)
        steps = self.lookup.name.split(".")
        around = [above[".".join(steps[:end])] for end in range(len(steps), 0, -1)]
        shown = next((found for found in map(_references, around) if found), None)
        is_part = len(self.lookup.place) > len(self.lookup.entry)
        kind = " or ".join(dict.fromkeys(map(_named, members_of(field.parts)))) or "null"
        told = [kind, "as JSON" if field.takes_objects else "in JSON" if is_part else None]
        if shown:
            told.append(f"from {shown}")
        elif field.info.is_required():
            told.append("required")
        if not self.lookup.key.isidentifier():
            told.append("which only code can set, since this is not a valid variable name")
        yield f"# {', '.join(filter(None, told))}"
        for name, _, inner in chain.from_iterable(map(walk, field.models)):
            if inner.declared is not None:
                yield f"#   {name}: from {_references(inner)}"
        is_line = "\n" not in self._line and "\r" not in self._line
        if self.counts:
            yield self._line
        else:
            yield f"# {self._line if is_line else self.lookup.key + '='}"


class _Defaults:
    """The defaults of a class that may be shown, as its input."""

    def __init__(self, looks_secret: LooksSecret) -> None:
        self._looks_secret = looks_secret

    def of_model(self, model: type, instance: object = ABSENT) -> dict[str, Any]:
        """Return the defaults of *model*, or what *instance* of it holds."""
        data: dict[str, Any] = {}
        for field in fields_of(model):
            value = ABSENT if _is_secret(field) else self._of_field(field, instance)
            if value is not ABSENT:
                set_at(data, field.places[0], value)
        return data

    def _of_field(self, field: ModelField, instance: object) -> Any:
        value: Any = ABSENT
        if instance is not ABSENT:
            value = getattr(instance, field.name, ABSENT)
        elif _is_made_by_its_class(field):
            return self.of_model(field.models[0])
        elif not field.info.is_required() and field.info.default_factory is None:
            value = field.info.default
        if is_model(type(value)):
            return self.of_model(type(value), value)
        return ABSENT if value is None or self._holds_secret(value, _names_of(field)) else value

    def stay(
        self, settings_cls: type[BaseSettings], parent: Lookup, values: Mapping[str, str]
    ) -> bool:
        """Whether a nested model is what it was, when the variables *values* give fields of it."""
        if _is_made_by_its_class(parent.field):
            return True
        default = parent.field.info.default
        if not is_model(type(default)) or self._holds_secret(default, _names_of(parent.field)):
            return False  # such as None, which it would not be any more
        return _is_read_as(default, parent, read_back(settings_cls, values))

    def _holds_secret(self, value: Any, names: Collection[str]) -> bool:
        """Whether *value*, which goes by *names*, is or has a secret."""
        if isinstance(value, (str, bytes)):
            text = value if isinstance(value, str) else value.decode(errors="replace")
            return any(self._looks_secret(name, text) for name in names)
        if hasattr(value, "_asdict"):  # a named tuple
            value = value._asdict()
        if isinstance(value, Mapping):
            return any(self._holds_secret(item, [str(key)]) for key, item in value.items())
        if isinstance(value, (list, tuple, set, frozenset)):
            return any(self._holds_secret(item, names) for item in value)
        if is_model(type(value)):
            parts = ((field, getattr(value, field.name, None)) for field in fields_of(type(value)))
            return any(_is_secret(f) or self._holds_secret(item, _names_of(f)) for f, item in parts)
        return hasattr(value, "get_secret_value")


def _names_of(field: ModelField) -> list[str]:
    """Return the name of *field*, and its aliases."""
    return [field.name, *(str(step) for place in field.places for step in place)]


def _is_made_by_its_class(field: ModelField) -> bool:
    """Whether the defaults of a nested model are those of its class."""
    is_one = len(field.models) == 1 and not field.many
    return is_one and (field.info.is_required() or field.info.default_factory is field.models[0])


def _is_read_as(value: Any, lookup: Lookup, state: Mapping[str, Any]) -> bool:
    """Whether what stands in *state* for a field is *value*, once it has been validated."""
    validated = lookup.field.validated
    try:
        # What stands in the class need not be of the type yet.
        return bool(validated(get_at(state, lookup.entry)) == validated(value))
    except Exception:  # a validator may raise anything, and quote the value
        return False


def _is_secret(field: ModelField) -> bool:
    """Whether the default of *field* is not to be shown, whatever it is."""
    kinds = (class_of(part.annotation) for part in field.parts)
    is_masked = any(hasattr(kind, "get_secret_value") for kind in kinds)
    is_hidden = field.info.repr is False or field.info.exclude is True
    return field.declared is not None or is_hidden or is_masked


def _description(field: ModelField) -> list[str]:
    lines = (field.info.description or "").splitlines()
    return [f"# {_printable(line)}".rstrip() for line in lines]


def _references(field: ModelField) -> str:
    # Of a template only these: the text around them may be secret.
    return ", ".join(map(str, references_of(field.declared)))


def _named(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _named(arguments[0])
    if origin is Literal:
        return f"one of {', '.join(map(_option, arguments))}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {', '.join(_option(member.value) for member in annotation)}"
    if origin in (Union, UnionType):
        return " or ".join(map(_named, arguments))
    if annotation is NoneType:
        return "null"
    name = getattr(origin or annotation, "__name__", None) or str(annotation)
    inner = ", ".join("..." if item is ... else _named(item) for item in arguments)
    return f"{name}[{inner}]" if inner else _printable(name)


def _option(value: Any) -> str:
    value = value.value if isinstance(value, Enum) else value
    return _printable(as_text(value) or str(value))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
