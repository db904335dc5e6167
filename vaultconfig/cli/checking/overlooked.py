"""What is wrong though nothing fails: variables that nothing reads, secrets typed `str`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from vaultconfig.cli.checking.declared import DeclaredFields
from vaultconfig.cli.checking.findings import Problem
from vaultconfig.cli.classify import has_secret_name
from vaultconfig.connection.variables import misspelt_variables
from vaultconfig.errors import closest
from vaultconfig.loading.advice import variable_name
from vaultconfig.loading.annotations import members_of
from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.layers import DOTENV, ENVIRONMENT
from vaultconfig.loading.report import Report

_DELIMITERS: Final = ("__", "_", ".")  # those that classes mostly have, the usual one first

Names: TypeAlias = Mapping[str, Iterable[str]]
"""The names of variables, by where they stand: "" is the environment."""


def problems_of_names(given: Names, declared: DeclaredFields) -> Iterator[Problem]:
    """Yield which variables nothing reads, though their names say that they are ours."""
    read = _variables_of(declared, declared.by_name)
    for place, names in given.items():
        for name, meant in misspelt_variables(names):
            if name.upper() not in read:
                what = f": did you mean {meant}?" if meant else ", and nothing reads it: remove it"
                told = f"{name}{place} is not a variable of vaultconfig{what}"
                yield Problem("note", "variables", told)


def problems_of_delimiter(
    given: Names, declared: DeclaredFields, found: Report
) -> Iterator[Problem]:
    """Yield which variables are those of nested fields but for the delimiter of the class.

    One whose field has got its value from another variable is not missed.
    """
    usual = declared.model.model_config.get("env_nested_delimiter")
    read = _variables_of(declared, declared.by_name)
    set_here = {n for n, origin in found.origins.items() if origin.source in (ENVIRONMENT, DOTENV)}
    nested = [name for name in declared.by_name if "." in name and name not in set_here]
    for delimiter in _DELIMITERS:
        meant = _variables_of(declared, nested, env_nested_delimiter=delimiter)
        for place, names in given.items():
            unread = [name for name in names if name.upper() in meant.keys() - read.keys()]
            if not unread:
                continue
            what = f"{declared.model.__name__} "
            if usual:
                right = _variables_of(declared, [meant[name.upper()] for name in unread])
                what += f"has the delimiter {usual!r}: write {', '.join(right)}"
            else:
                what += f"needs env_nested_delimiter={delimiter!r} in its model_config"
            told = f"nothing reads {', '.join(unread)}{place}: {what}"
            yield Problem("warning", "variables", told)


def problems_of_parts(given: Names, declared: DeclaredFields) -> Iterator[Problem]:
    """Yield which variables are called almost like a part of a nested model, and set nothing."""
    delimiter = declared.model.model_config.get("env_nested_delimiter") or ""
    fields = _variables_of(declared, declared.by_name)
    for place, names in given.items() if delimiter else ():
        for name in names:
            whole, _, part = name.upper().rpartition(delimiter.upper())
            models = declared.by_name[fields[whole]].field.models if whole in fields else ()
            parts = {
                str(step).upper() for m in models for f in fields_of(m) for step, *_ in f.places
            }
            if part not in parts and (meant := closest(part, parts)):
                told = f"{name}{place} sets no field of {declared.model.__name__}"
                told += f": did you mean {whole}{delimiter}{meant}?"
                yield Problem("warning", "variables", told)


def _variables_of(declared: DeclaredFields, names: Iterable[str], **config: str) -> dict[str, str]:
    """Return the fields called *names* by their variables in upper case.

    Args:
        declared: The fields of the class.
        names: Dotted.
        config: Over that of the class.
    """
    model = declared.model
    return {variable_name(model, {**model.model_config, **config}, n).upper(): n for n in names}


def problems_of_types(found: Report, declared: DeclaredFields) -> Iterator[Problem]:
    """Yield which of the vault's fields are called like secrets, and are typed plain `str`."""
    plain = [
        need.name
        for need, _ in found.outcomes
        if need.field is not None and members_of(need.field.parts) == [str]
        for names in [(need.field.name, *(reference.field or "" for reference in need.references))]
        if any(has_secret_name(name) for name in names)
    ]
    if plain:
        plain.sort(key=declared.order)
        file, line = declared.line_of(plain[0]) or (None, None)
        names = ", ".join(plain)
        told = f"typed str, which vars() and model_dump() show, and SecretStr would hide: {names}"
        yield Problem("note", "types", told, file=file, line=line)
