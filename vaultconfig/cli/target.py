"""Finds the settings class that ``TARGET`` names, or says why that fails.

Importing a module runs its code; nothing it raises is shown, but for errors of our own.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any, Final

import click
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from vaultconfig.cli.completion import targets
from vaultconfig.cli.pyproject import default_target
from vaultconfig.cli.streams import aside
from vaultconfig.cli.wording import suggestion
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.loading.descriptions import place_of
from vaultconfig.settings import VaultSettings

_FORM: Final = "package.module:Settings"
_MAKING: Final = (VaultSettings.__init__.__code__, BaseSettings.__init__.__code__)
_LIVE: Final = "vaultconfig.live.settings"  # whose errors have lost the frames of the load


def load_target(target: str | None) -> type[BaseSettings]:
    """Return the settings class that *target* names, or else pyproject.toml.

    Raises:
        ConfigurationError: There is no such class; the message says why.
        VaultConfigError: What the module raised while it was imported, if it is one of ours.
        click.UsageError: *target* is not of the form ``package.module:Settings``.
    """
    directory = _here()
    if target is None:
        directory, target = default_target(directory)
    module_name, _, attribute = target.partition(":")
    if not (module_name and attribute) or _is_file(module_name) or module_name[0] == ".":
        raise click.UsageError(f"{target!r} is not of the form {_FORM}{_meant(target)}")
    # What the module does with a command line is not about ours.
    sys.argv[1:] = []
    for entry in (str(directory), str(Path.cwd())):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    return _class_in(_imported(module_name, target), attribute)


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        problem = "the current directory does not exist any more: change into another one"
    raise ConfigurationError(problem)


def target_of(settings_cls: type[BaseSettings]) -> str:
    """Return what names *settings_cls* as a TARGET."""
    return f"{settings_cls.__module__}:{settings_cls.__qualname__}"


def _is_file(module: str) -> bool:
    return "/" in module or module.endswith(".py")


def _meant(target: str) -> str:
    """Return the end of a message: the classes that may have been meant; none is imported."""
    module, _, attribute = target.partition(":")
    if _is_file(module):
        parts = Path(os.path.relpath(module)).with_suffix("").parts
        if ".." in parts:
            return ": change into the directory that Python imports it from"
        module = ".".join(parts).removesuffix(".__init__")
    module = module.lstrip(".")  # no module is relative to the command line
    if module and attribute:
        return f": write {module}:{attribute}"
    named = module or attribute
    known = [
        known
        for known in targets(Path.cwd())
        if named in {*known.split(":"), known.replace(":", ".")}
    ]
    return f": did you mean {' or '.join(known)}?" if known else ""


def _imported(name: str, target: str) -> ModuleType:
    try:
        with aside():
            return import_module(name)
    except ModuleNotFoundError as exc:
        missing = exc.name or name
        absent = f"{name}.".startswith(f"{missing}.")
        meant = suggestion(target, targets(Path.cwd()))
        reason = (
            f"there is no module {missing}{meant or ': run this where it can be imported from'}"
            if absent
            else f"{name} could not be imported, because it needs {missing}: install that"
        )
        frames = None if absent else exc.__traceback__
    except VaultConfigError as exc:
        if _is_of_an_instance(exc):
            exc.add_note(
                f"raised while {name} was imported: keep the class in a module that makes no"
                " instance"
            )
        raise
    except (Exception, SystemExit) as exc:
        kind = type(exc).__name__
        reason = f"{name} could not be imported: it raised {kind}{place_of(exc)}{_fields(exc)}"
        frames = exc.__traceback__
    # Not from the exception itself, whose message may hold values.
    raise ConfigurationError(reason).with_traceback(frames)


def _is_of_an_instance(error: BaseException) -> bool:
    """Whether settings were being made when *error* was raised, not only their class."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return any(
        frame.f_code in _MAKING or frame.f_globals.get("__name__") == _LIVE for frame in frames
    )


def _fields(error: BaseException) -> str:
    """Return for which fields *error* was raised, if it is about fields; its message may quote."""
    match error:
        case ValidationError():
            places = (line["loc"] for line in error.errors(include_input=False))
            return f" for {', '.join('.'.join(map(str, place)) or error.title for place in places)}"
        case SettingsError():
            return f" ({error})"
    return ""


def _class_in(module: ModuleType, attribute: str) -> type[BaseSettings]:
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            hint = suggestion(name, _classes_in(found)) or _listed(found)
            raise ConfigurationError(f"{module.__name__} has no {attribute}{hint}")
        found = getattr(found, name)
    named = f"{module.__name__}:{attribute}"
    match found:
        case BaseSettings():
            problem = f"is a settings object: name its class, {type(found).__name__}"
        case ModuleType():
            problem = f"is a module{_listed(found)}: write {found.__name__}:Settings"
        case type() if issubclass(found, BaseSettings):
            return found
        case type():
            problem = "is not a settings class: derive it from VaultSettings"
        case _:
            problem = f"is not a class{_listed(module)}: name the class itself"
    raise ConfigurationError(f"{named} {problem}")


def _listed(place: object) -> str:
    names = _classes_in(place)
    return f" (it has {', '.join(names)})" if names else ""


def _classes_in(place: object) -> list[str]:
    """Name the settings classes there, but for those that others are derived from."""
    return [
        name
        for name, value in getattr(place, "__dict__", {}).items()
        if isinstance(value, type)
        and issubclass(value, BaseSettings)
        and value not in (BaseSettings, VaultSettings)
    ]
