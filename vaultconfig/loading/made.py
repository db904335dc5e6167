"""What stands in settings in place of a value: a reference, or the mask of a secret. Pure.

References that the vault was not asked for are made by factories, or coerced by a source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_settings import BaseSettings

from vaultconfig.errors import ConfigurationError, SettingFailure
from vaultconfig.loading.annotations import REFERENCE_MADE, is_model
from vaultconfig.loading.checks import has_factories, problems_of_default
from vaultconfig.loading.fields import describe, fields_of
from vaultconfig.loading.objects import references_in, text_of, texts_in
from vaultconfig.loading.places import ABSENT, Place, get_at, parts_of
from vaultconfig.masking.values import MASK
from vaultconfig.references import is_reference


def failures_of_factories(
    settings_cls: type[BaseSettings], given: Mapping[str, Any], settings: BaseSettings
) -> list[SettingFailure]:
    """Return a failure for each field whose default factory has made what the vault can't fill.

    Args:
        settings_cls: The settings class.
        given: What its sources gave; what is not in there was made by the factory.
        settings: What pydantic made of that.
    """
    is_possible = has_factories(settings_cls)
    found = _made_by_factories(settings_cls, given, settings) if is_possible else ()
    return [SettingFailure(name, None, ConfigurationError(problem)) for name, problem in found]


def _made_by_factories(
    model: type, given: Mapping[Any, Any], made: object, prefix: str = ""
) -> Iterator[tuple[str, str]]:
    for field in fields_of(model):
        name, value = prefix + field.name, _value_of(made, field.name)
        _, source = field.find(given)
        if source is not ABSENT:
            yield from _made_inside(source, value, name)
        elif field.info.default_factory is not None and any(references_in(value)):
            yield name, REFERENCE_MADE
        elif field.info.default_factory is not None:
            yield from problems_of_default(name, field, value)


def _value_of(made: object, name: str) -> Any:
    # Not by getattr(), which warns of a field that is deprecated.
    return vars(made).get(name) if isinstance(made, BaseModel) else getattr(made, name, None)


def _made_inside(source: object, value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(source, dict) and is_model(type(value)):
        yield from _made_by_factories(type(value), source, value, f"{name}.")
        return
    for step, item in parts_of(source):
        yield from _made_inside(item, get_at(value, (step,)), f"{name}.{step}")


def failures_of_masks(
    settings: BaseSettings, given: Mapping[str, Any], values: Iterable[object]
) -> list[SettingFailure]:
    """Return a failure for each field in which a validator has left what a secret is printed as.

    Args:
        settings: What pydantic made of the input.
        given: The input.
        values: What came from the vault.
    """
    problem = (
        "a validator has put the mask of a secret in the place of its value, by repr(), !r or %r,"
        " or by printing a mapping or list that holds it: take the values with str(), !s or %s"
    )
    if _holds_mask([*values]):  # so it is a value, after all
        return []
    extra = settings.__pydantic_extra__ or {}
    before = {f.name: [f.find(given)[1], f.info.default] for f in fields_of(type(settings))}
    before |= {name: [given.get(name)] for name in extra}
    return [
        SettingFailure(name, None, ConfigurationError(problem))
        for name, value in {**vars(settings), **extra}.items()
        if name in before and _holds_mask(value) and not _holds_mask(before[name])
    ]


def _holds_mask(value: object) -> bool:
    return any(MASK in text for text in texts_in(value))


def failures_of_coercion(
    settings_cls: type[BaseSettings], given: Mapping[str, Any], arguments: Mapping[str, Any]
) -> list[SettingFailure]:
    """Return a failure for each variable that was a reference until pydantic-settings coerced it.

    It does so for a strict class, before our source sees the text, and the way back is not certain:
    a path or URL of it has been normalized.

    Args:
        settings_cls: The settings class.
        given: What its sources gave, merged.
        arguments: What is in it that nothing coerces.
    """
    problem = (
        "the class is strict, so that the text of the reference has become the value itself:"
        " derive the class from VaultSettings"
    )
    places = _coerced_in(given, (), arguments)
    names = [describe(settings_cls, place)[0] for place in places]
    return [SettingFailure(name, None, ConfigurationError(problem)) for name in names]


def _coerced_in(value: Any, place: Place, arguments: Mapping[str, Any]) -> Iterator[Place]:
    if get_at(arguments, place) is value:  # any object, which is not ours to look into
        return
    if isinstance(value, (dict, list)):
        for step, item in parts_of(value):
            yield from _coerced_in(item, (*place, step), arguments)
    elif not isinstance(value, str) and is_reference(text_of(value) or str(value)):
        yield place
