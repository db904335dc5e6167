"""What the annotation of a field says: references, models, tags, and what its type takes. Pure."""

from __future__ import annotations

from collections import abc
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    NamedTuple,
    NewType,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import (
    BaseModel,
    Discriminator,
    InstanceOf,
    Json,
    RootModel,
    SecretBytes,
    SecretStr,
    SkipValidation,
)
from pydantic.fields import FieldInfo

from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.references import Template, VaultRef, is_reference, parse

_TEXTS = (str, bytes, SecretStr, SecretBytes)
_SEALS: Final[tuple[Any, ...]] = (Json, InstanceOf, SkipValidation)
"""What takes a text or an object as a whole, so that the vault can't fill a model inside it."""

NOT_OF_ITS_CLASS: Final = (
    "its default is a {0}, which the vault can't fill: annotate the field with {0} itself"
)
NOT_IN_A_LIST: Final = (
    "its default holds a {0}, which the vault can't fill there: use a list, tuple or dict of {0},"
    " in the annotation too"
)
"""What is wrong with a default whose class is not in the annotation, or not where it is filled."""

REFERENCE_MADE: Final = (
    "its default factory returns a reference, which nothing resolves: annotate the field"
)

WITHOUT_TAG: Final = (
    "nothing tells the models of the union apart before the vault is asked, so that their"
    " references are not read: give the union a discriminator"
)
TAG_MISSING: Final = (
    "no source gives its tag, and without it nothing tells whose references to read: give the tag,"
    " or the field a default"
)
"""What is wrong with a union whose members carry references."""

Declared: TypeAlias = VaultRef | Template
Discriminant: TypeAlias = str | Callable[[Any], Hashable]


class Part(NamedTuple):
    """A part of an annotation, with the metadata that stands at it.

    Attributes:
        levels: How many lists, mappings and the like it is inside of.
        sealed: What it is inside of where the vault can't fill a model, such as ``Json``; or "".
    """

    annotation: Any
    metadata: tuple[Any, ...]
    levels: int
    sealed: str = ""

    @property
    def contained(self) -> bool:
        """Whether it is what a list or mapping is made of, not the value itself."""
        return self.levels > 0


def parts_in(
    annotation: Any,
    metadata: tuple[Any, ...] = (),
    *,
    levels: int = 0,
    sealed: str = "",
    aliases: frozenset[int] = frozenset(),
) -> Iterator[Part]:
    """Walk through aliases, ``Annotated``, unions and containers down to plain types."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        yield from parts_in(
            inner, (*metadata, *more), levels=levels, sealed=sealed, aliases=aliases
        )
        return
    meant, alias = _stands_for(annotation)
    if meant is not annotation:
        if id(alias) not in aliases:
            aliases |= {id(alias)}
            yield from parts_in(meant, metadata, levels=levels, sealed=sealed, aliases=aliases)
        return
    seals = (kind for kind in _SEALS for item in metadata if item is kind or type(item) is kind)
    sealed = next((kind.__name__ for kind in seals), sealed)
    yield Part(annotation, metadata, levels, sealed)
    # The arguments of a generic dataclass are in its fields.
    arguments = () if is_model(annotation) else get_args(annotation)
    below = levels + (not _is_union(annotation))
    if hasattr(origin, "__get_pydantic_core_schema__") and not issubclass(origin, Collection):
        sealed = origin.__name__  # such as pydantic's Secret
    for item in arguments:
        for inner in item if isinstance(item, list) else [item]:  # the parameters of a Callable
            parts = parts_in(inner, levels=below, sealed=sealed, aliases=aliases)
            # The value is not an object of such a class, but a reference there is still a mistake.
            is_code = origin in (type, abc.Callable)
            yield from (part._replace(annotation=object) if is_code else part for part in parts)


def _stands_for(annotation: Any) -> tuple[Any, Any]:
    """Return what an alias (PEP 695), a `NewType` or a type variable stands for, and itself.

    Anything else stands for itself. A type variable without an argument in its place is what
    pydantic takes it for.
    """
    alias = annotation if hasattr(annotation, "__value__") else get_origin(annotation)
    if hasattr(alias, "__value__"):
        arguments, value = get_args(annotation), _evaluated(alias.__value__, alias.__module__)
        return value[arguments] if arguments else value, alias
    meant = annotation
    if isinstance(annotation, NewType):
        meant = annotation.__supertype__
    elif isinstance(annotation, TypeVar):
        if getattr(annotation, "has_default", bool)():
            meant = annotation.__default__  # type: ignore[attr-defined]  # Python 3.13
        elif annotation.__constraints__:
            meant = Union[annotation.__constraints__]  # noqa: UP007  # of a tuple
        elif annotation.__bound__ is not None:
            meant = annotation.__bound__
    return meant if meant is annotation else _evaluated(meant, annotation.__module__), annotation


def _evaluated(annotation: Any, module: str | None) -> Any:
    """Return *annotation* without forward references, as far as *module* has them."""
    alone = type("alone", (), {"__annotations__": {"x": annotation}, "__module__": module})
    try:
        return get_type_hints(alone, include_extras=True)["x"]
    except (NameError, AttributeError, SyntaxError):  # pydantic reports it
        return annotation


def declared_in(parts: Sequence[Part]) -> Declared | ConfigurationError | None:
    """Return the reference or template among *parts*, or what is wrong with it."""
    found: list[Declared | ConfigurationError] = []
    for part in parts:
        references = [ref for item in part.metadata if (ref := _reference(item)) is not None]
        if references and part.contained:
            return ConfigurationError(
                "a reference inside a list or mapping type fills nothing: annotate the field itself"
            )
        found += references
    if len(found) > 1:
        return ConfigurationError("the annotation carries two references: keep one")
    return found[0] if found else None


def members_of(parts: Sequence[Part]) -> list[Any]:
    """Return the types that a value itself may have: the members of a union, but for None."""
    return [part.annotation for part in _members(parts)]


def _members(parts: Sequence[Part]) -> list[Part]:
    return [
        part
        for part in parts
        if not part.contained and not _is_union(part.annotation) and part.annotation is not NoneType
    ]


def wants_text(parts: Sequence[Part]) -> bool:
    """Whether a value is text and nothing else, so that a number stands for its digits."""
    members = _members(parts)
    return takes_json(parts[:1]) or (bool(members) and all(map(_is_text, members)))


def _is_text(part: Part) -> bool:
    kind = part.annotation
    is_text = isinstance(kind, type) and issubclass(kind, _TEXTS) and not issubclass(kind, Enum)
    return is_text or takes_json([part])


def takes_json(parts: Sequence[Part]) -> bool:
    """Whether a value is a text that pydantic reads as JSON."""
    whole = (part for part in parts if not part.contained)
    marks = (mark for part in whole for mark in (part.annotation, *part.metadata))
    return any(mark is Json or type(mark) is Json for mark in marks)


def takes_objects(parts: Sequence[Part]) -> bool:
    """Whether a value may be a whole object or list."""
    return any(_is_structured(kind) for kind in members_of(parts))


def tags_in(info: FieldInfo, parts: Sequence[Part]) -> tuple[Discriminant, ...]:
    """Return what tells the members of a union apart."""
    marks = [info, *(item for part in parts for item in part.metadata)]
    found = [mark.discriminator for mark in marks if isinstance(mark, (FieldInfo, Discriminator))]
    tags = [mark.discriminator if isinstance(mark, Discriminator) else mark for mark in found]
    return tuple(dict.fromkeys(tag for tag in tags if tag is not None))


def is_model(annotation: object) -> bool:
    """Whether *annotation* is a class with fields of its own, or a generic one with arguments."""
    kind = class_of(annotation)
    if not isinstance(kind, type):
        return False
    if issubclass(kind, BaseModel):
        return not issubclass(kind, RootModel)
    return is_dataclass(kind)


def class_of(model: Any) -> Any:
    """Return the class that *model* is, or gives arguments to: ``Box`` for ``Box[int]``.

    Only of a dataclass: pydantic makes a class of its own of a generic model with its arguments.
    """
    return get_origin(model) or model


def is_same_class(kind: Any, model: Any) -> bool:
    """Whether *kind* is the class *model*, or a generic one with unknown arguments."""
    generic = getattr(model, "__pydantic_generic_metadata__", {}).get("origin")
    return kind in (model, class_of(model), generic)


def substituted(annotation: Any, arguments: Mapping[Any, Any]) -> Any:
    """Return *annotation* with *arguments* in the place of type variables, as pydantic does."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    kind: Any = Union if _is_union(annotation) else get_origin(annotation)
    inner: tuple[Any, ...] = get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind, inner = annotation, annotation.__pydantic_generic_metadata__["parameters"]
    changed = tuple(substituted(item, arguments) for item in inner)
    is_same = all(new is old for new, old in zip(changed, inner, strict=True))
    return annotation if is_same else kind[changed]


def _reference(item: object) -> Declared | ConfigurationError | None:
    if isinstance(item, VaultRef):
        return item
    if not isinstance(item, str) or not is_reference(item):
        return None
    try:
        parsed = parse(str.__str__(item))  # of a StrEnum, too
    except InvalidReferenceError as error:
        return error.with_traceback(None)
    return None if isinstance(parsed, str) else parsed


def _is_union(annotation: object) -> bool:
    return get_origin(annotation) in {Union, UnionType}


def _is_structured(annotation: object) -> bool:
    """Whether values of this type may be objects or lists, not texts and numbers alone."""
    kind = get_origin(annotation) or annotation
    if kind in (Any, object) or isinstance(kind, TypeVar):
        return True
    if not isinstance(kind, type):
        return False
    if issubclass(kind, (str, bytes, bytearray, Enum)):
        return False
    return issubclass(kind, (BaseModel, Collection)) or is_dataclass(kind)
