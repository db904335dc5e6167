"""What to say of `.env` and of credentials, in words. Pure: `source.hints` does the looking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vaultconfig.connection.connection import SET_CREDENTIALS
from vaultconfig.connection.environment import DEVELOPMENT_NAMES, VARIABLE, FallbackRule
from vaultconfig.loading.fields import fields_of

ON_YOUR_OWN_MACHINE: Final = f"on your own machine, export {VARIABLE}=development"


def no_credentials(url: str, rule: FallbackRule, *, files: str, ignored: Sequence[str]) -> str:
    """Say that there is nothing to show to the vault, and what to do.

    Args:
        url: The vault's.
        files: The `.env` that stands in for it, or would.
        ignored: What that has for the vault's part, and may provide in development only.
    """
    is_development = rule.environment.is_development
    if rule.is_possible and is_development:
        return f"no credentials for the vault, and no value in {files}"
    message = f"no credentials for the vault at {url}: {SET_CREDENTIALS}"
    if rule.is_possible:
        return message
    if ignored and not is_development:
        message += f" ({', '.join(ignored)} in {files}: used in development only)"
    if rule.environment.name is None:
        message += f"; {ON_YOUR_OWN_MACHINE}"
    elif not is_development:
        names = ", ".join(sorted(DEVELOPMENT_NAMES))
        here = f"in the environment {rule.environment.name!r} {files} is no substitute"
        message += f"; {here} (it is in {names})"
    return message


def values_to_add(names: Sequence[str], files: Sequence[str], unreadable: Sequence[str]) -> str:
    """Say where the variables called *names* may stand, for fields that the vault can't give."""
    told = ", ".join(names)
    if unreadable:
        return f"fix {', '.join(unreadable)}, which cannot be read: {told} may stand there"
    return f"add {told} to {', '.join(files)}"


def values_ignored(
    names: Sequence[str], rule: FallbackRule, *, files: str, is_default: bool
) -> str:
    """Say that a `.env` has fields that it may not provide here.

    Args:
        names: The fields.
        files: The `.env`.
        is_default: Whether that is `.env` in the working directory, which the class has not named.
    """
    told = f"{files} has {', '.join(names)}"
    if rule.mode == "never":
        return f"{told}, which vault_fallback='never' leaves to the vault"
    if not is_default:
        return f"{told}: fields with a reference are not taken from there in this environment"
    return f"{told}, which it provides in development only: {ON_YOUR_OWN_MACHINE}"


def variable_name(model: type, config: Mapping[str, Any], name: str) -> str:
    """Return the environment variable for the field called *name*, dotted, of *model*."""
    first, *inner = name.split(".")
    key = next((str(f.places[0][0]) for f in fields_of(model) if f.name == first), first)
    prefix = config.get("env_prefix") or "" if key == first else ""
    delimiter = config.get("env_nested_delimiter")
    text = prefix + (delimiter.join([key, *inner]) if delimiter else key)
    return text if config.get("case_sensitive") else text.upper()
