"""Finds the settings class that ``TARGET`` names, and says clearly why there is none.

Importing a module runs its code; nothing it raises is shown, but for errors of our own.
"""

from __future__ import annotations

import sys
import tomllib
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from pydantic_settings import BaseSettings

from vaultconfig.cli.failures import place_of
from vaultconfig.cli.wording import suggestion
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.inputs import ABSENT, get_at

_HOW = "write package.module:Settings"


def load_target(target: str | None) -> type[BaseSettings]:
    """Return the settings class that *target* names, or else pyproject.toml.

    Raises:
        ConfigurationError: There is none, and why.
        VaultConfigError: What the module raised while it was imported, if it is one of ours.
        click.UsageError: *target* is not of the form ``package.module:Settings``.
    """
    directory = Path.cwd()
    if target is None:
        directory, target = default_target(directory)
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise click.UsageError(f"{target!r} names no settings class: {_HOW}")
    # What the module does with a command line is not about ours.
    sys.argv[1:] = []
    for entry in (str(directory), str(Path.cwd())):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    return _class_in(_imported(module_name), attribute)


def default_target(directory: Path) -> tuple[Path, str]:
    """Return what the nearest pyproject.toml names, and the directory that it is in.

    Raises:
        ConfigurationError: There is none, or it is malformed.
    """
    for place in (directory, *directory.parents):
        named = _named_in(place / "pyproject.toml")
        if named is not None:
            return place, named
    raise ConfigurationError(
        "no settings class is named: give one as TARGET (package.module:Settings), or name it in "
        "pyproject.toml as settings under [tool.vaultconfig]"
    )


def _named_in(file: Path) -> str | None:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        problem = f"{file} cannot be read ({type(exc).__name__}): mend it"
    else:
        named = get_at(data, ("tool", "vaultconfig", "settings"))
        if isinstance(named, str):
            return named
        if named is ABSENT:
            return None
        problem = f"[tool.vaultconfig] settings in {file} is not text: {_HOW}"
    raise ConfigurationError(problem)


def _imported(name: str) -> ModuleType:
    try:
        with redirect_stdout(sys.stderr):  # what a module prints is no result of ours
            return import_module(name)
    except ModuleNotFoundError as exc:
        missing = exc.name or name
        absent = f"{name}.".startswith(f"{missing}.")
        reason = (
            f"there is no module {missing}: run this where it can be imported from"
            if absent
            else f"{name} could not be imported, because it needs {missing}: install that"
        )
        frames = None if absent else exc.__traceback__
    except VaultConfigError as exc:
        exc.add_note(
            f"raised while {name} was imported: keep the class in a module that makes no instance"
        )
        raise
    except (Exception, SystemExit) as exc:
        kind = type(exc).__name__
        reason = f"{name} could not be imported: it raised {kind}{place_of(exc)}"
        frames = exc.__traceback__
    # Not from the exception itself, whose message may hold values.
    raise ConfigurationError(reason).with_traceback(frames)


def _class_in(module: ModuleType, attribute: str) -> type[BaseSettings]:
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            classes = [key for key, value in vars(found).items() if _is_settings_class(value)]
            has = f" (it has {', '.join(classes)})" if classes else ""
            hint = suggestion(name, classes) or has
            raise ConfigurationError(f"{module.__name__} has no {attribute}{hint}")
        found = getattr(found, name)
    if isinstance(found, BaseSettings):
        raise ConfigurationError(
            f"{module.__name__}:{attribute} is a settings object: name its class, "
            f"{type(found).__name__}"
        )
    if not _is_settings_class(found):
        raise ConfigurationError(
            f"{module.__name__}:{attribute} is not a settings class: derive it from VaultSettings"
        )
    settings_cls: type[BaseSettings] = found
    return settings_cls


def _is_settings_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseSettings)
