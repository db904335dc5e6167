"""References where nothing can fill them: never a default without a word."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    NewType,
    NotRequired,
    Required,
    TypeVar,
    get_args,
)

import pytest
from pydantic import (
    BaseModel,
    Field,
    InstanceOf,
    Json,
    Secret,
    SerializeAsAny,
    SkipValidation,
    computed_field,
    create_model,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict
from typing_extensions import TypeVar as NewTypeVar

from tests.settings.loading import TOKEN, unresolved
from vaultconfig import VaultRef, VaultSettings, provenance
from vaultconfig.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("app")


def with_field(annotation: Any, default: Any = ...) -> type[VaultSettings]:
    return create_model("S", __base__=VaultSettings, x=(annotation, default))


class Model(BaseModel):
    token: Annotated[str, TOKEN] = "dev-only"


@dataclass
class MadeByTheClass:
    token: Annotated[str, TOKEN] = dataclasses.field(default="dev-only", init=False)


@pydantic_dataclass
class MadeByPydantics:
    token: Annotated[str, TOKEN] = dataclasses.field(default="dev-only", init=False)


@dataclass
class ModelMadeByTheClass:
    inner: Model = dataclasses.field(default_factory=Model, init=False)


@pydantic_dataclass
class SetLater:
    token: Annotated[str, TOKEN] = dataclasses.field(init=False)


@dataclass
class Taken:
    token: InitVar[Annotated[str, TOKEN]] = "dev-only"


class Private(BaseModel):
    _token: Annotated[str, TOKEN] = "dev-only"


class PrivateOfABase(Private):
    pass


class Shared(BaseModel):
    token: ClassVar[Annotated[str, TOKEN]] = "dev-only"


class Computed(BaseModel):
    @computed_field
    @property
    def token(self) -> Annotated[str, TOKEN]:
        return "dev-only"


class Needed(TypedDict, total=False):
    token: Required[Annotated[str, TOKEN]]


class Missable(TypedDict):
    inner: NotRequired[Model]


def final() -> type[BaseModel]:
    """Return a class with a field that pydantic makes a class variable, until version 3."""
    token: Any = Final[Annotated[str, TOKEN]]
    namespace = {"__annotations__": {"token": token}, "token": "x", "__module__": __name__}
    return type(BaseModel)("Closed", (BaseModel,), namespace)


class TestAnnotations:
    """What can be told when the class is made."""

    @pytest.mark.parametrize(
        ("kind", "told"),
        [
            (MadeByTheClass, "x.token: a reference inside a field with init=False"),
            (MadeByPydantics, "x.token: a reference inside a field with init=False"),
            (ModelMadeByTheClass, "x.inner.token: a reference inside a field with init=False"),
            (SetLater, "x.token: a reference inside an attribute that is not a field"),
            (Taken, "x.token: a reference inside an attribute that is not a field"),
            (Private, "x._token: a reference inside an attribute that is not a field"),
            (PrivateOfABase, "x._token: a reference inside an attribute that is not a field"),
            (Shared, "x.token: a reference inside an attribute that is not a field"),
            (Computed, "x.token: a reference inside an attribute that is not a field"),
            (Needed, "x.token: a reference inside Needed"),
            (Missable, "x.inner.token: a reference inside Missable"),
            (Json[Model], "x.token: a reference inside Json"),
            (Annotated[Model, Json], "x.token: a reference inside Json"),
            (Json[list[Model]], "x.token: a reference inside Json"),
            (Secret[Model], "x.token: a reference inside Secret"),
            (Secret[Annotated[Model, "described"]], "x.token: a reference inside Secret"),
            (Secret[TypeAliasType("Alias", Model)], "x.token: a reference inside Secret"),
            (InstanceOf[Model], "x.token: a reference inside InstanceOf"),
            (SkipValidation[Model], "x.token: a reference inside SkipValidation"),
            (TypeAliasType("Alias", Json[Model]), "x.token: a reference inside Json"),
        ],
    )
    @pytest.mark.parametrize("within", [lambda k: k, lambda k: k | None, lambda k: list[k]])
    def test_it_is_rejected(self, kind: Any, told: str, within: Callable[[Any], Any]) -> None:
        """The error names the field and what stands in the way, whether there is a default."""
        for default in (None, ...):
            with pytest.raises(ConfigurationError) as caught:
                with_field(within(kind), default)
            assert str(caught.value) == f"{told} fills nothing: use a plain field or model instead"

    def test_what_means_something_in_dataclasses_alone(self) -> None:
        """A model takes a field with ``init=False`` as any other."""

        class Settings(VaultSettings):
            token: Annotated[str, TOKEN] = Field(init=False)

        assert Settings().token == "from vault"

    @pytest.mark.filterwarnings("ignore:Annotation 'token' is marked as final")
    def test_a_final_field_with_a_value(self) -> None:
        """Pydantic makes a class variable of it."""
        with pytest.raises(ConfigurationError, match=r"x\.token: .* is not a field"):
            with_field(final())

    def test_of_the_settings_themselves(self) -> None:
        """A settings class is checked as the models in it are; near misses count, too."""
        with pytest.raises(ConfigurationError, match="_token: a reference inside an attribute"):

            class Settings(VaultSettings):
                _token: Annotated[str, TOKEN] = "dev-only"

        with pytest.raises(ConfigurationError, match="the annotation of _token holds 'valut"):

            class Misspelt(VaultSettings):
                _token: Annotated[str, "valut:app#token"] = "dev-only"

    def test_annotations_that_cannot_be_read(self) -> None:
        """What only a type checker knows is no obstacle, unless a reference stands beside it."""

        class Settings(VaultSettings):
            _client: VaultClient | None = None  # type: ignore[name-defined]  # noqa: F821
            _ref: ClassVar[VaultRef | None] = None
            cache: ClassVar[Unknown.Kind] = None  # type: ignore[name-defined]  # noqa: F821
            plain: str = "x"

        assert Settings().plain == "x"
        with pytest.raises(ConfigurationError, match=r"Hidden\._token can't be read"):

            class Hidden(VaultSettings):
                _token: Annotated[Unknown, "vault:app#token"]  # type: ignore[name-defined]  # noqa: F821

    def test_an_annotation_that_is_overridden(self) -> None:
        """What a base said of the attribute counts no more."""

        class Without(Private):
            _token: str = "mine"

        assert with_field(Without, Without())().x._token == "mine"  # type: ignore[attr-defined]

    def test_private_attributes_may_be_models(self) -> None:
        """They are what the application puts there."""

        class Settings(VaultSettings):
            model: Model
            _model: Model | None = None
            kinds: ClassVar[list[type[Model]]] = [Model]

        assert Settings().model.token == "from vault"


Bound = TypeVar("Bound", bound=Model)
Later = TypeVar("Later", bound="Model")
Constrained = TypeVar("Constrained", int, Model)
Defaulting = NewTypeVar("Defaulting", default=Model)


class OfBound(BaseModel, Generic[Bound]):
    inner: Bound


class OfLater(BaseModel, Generic[Later]):
    inner: Later


class OfConstrained(BaseModel, Generic[Constrained]):
    inner: Constrained


class OfDefaulting(BaseModel, Generic[Defaulting]):
    inner: Defaulting


@dataclass
class DataclassOfBound(Generic[Bound]):
    inner: Bound


@pydantic_dataclass
class Kept:
    token: InitVar[Annotated[str, TOKEN]]
    out: str = ""

    def __post_init__(self, token: str) -> None:
        self.out = token


class Closed(BaseModel):
    token: Final[Annotated[str, TOKEN]]


class Several(list[Bound]):
    """A collection with a schema of its own."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(list[get_args(source)[0]])  # type: ignore[misc]


class Mixin:
    token: Annotated[str, TOKEN] = "dev-only"


class Mixed(Mixin, BaseModel):
    pass


Token = NewType("Token", Annotated[str, TOKEN])  # type: ignore[valid-newtype]


@pytest.mark.parametrize(
    ("annotation", "default", "name"),
    [
        *[(kind, ..., "x.inner.token") for kind in (OfBound, OfLater, OfConstrained)],
        *[(kind, ..., "x.inner.token") for kind in (OfDefaulting, DataclassOfBound)],
        (OfBound, OfBound(inner=Model()), "x.inner.token"),
        *[(kind, "dev-only", "x") for kind in (Token, Token | None)],
        (NewType("NewModel", Model), Model(), "x.token"),
        (TypeAliasType("Alias", "Model"), ..., "x.token"),
        (TypeAliasType("Alias", "list[Model]"), [Model()], "x.0.token"),
        (SerializeAsAny[Model], Model(), "x.token"),
        (Mixed, ..., "x.token"),
        *[(Kept, default, "x.token") for default in (..., Kept("x"))],
        (Closed, ..., "x.token"),
        (Several[Model], [Model()], "x.0.token"),
        (Annotated[SkipValidation[str], TOKEN], "dev-only", "x"),
    ],
)
def test_what_is_filled(annotation: Any, default: Any, name: str) -> None:
    """Aliases, new types and type variables stand for what pydantic takes them for."""
    settings = with_field(annotation, default)()
    assert provenance(settings)[name].source == "vault"
    assert "from vault" in str(settings.model_dump())


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (Callable[[Model], str], print),
        (type[Model], Model),
        (list[type[Model]], [Model]),
        (dict[str, list[type[Model]]], {}),
    ],
)
def test_code_is_not_filled(annotation: Any, default: Any) -> None:
    """A function or class is no data, whatever it takes."""
    assert with_field(annotation, default)().x == default  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "annotation", [Callable[[Annotated[str, TOKEN]], str], type[Annotated[Model, TOKEN]]]
)
def test_a_reference_at_code(annotation: Any) -> None:
    """Nothing takes what it would be filled with."""
    error = unresolved(with_field(annotation, Model))
    assert [failure.field for failure in error.failures] == ["x"]
    assert "fills nothing" in str(error)
