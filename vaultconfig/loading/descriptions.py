"""The one wording of any error, for logs, the command line and the frameworks. Pure."""

from __future__ import annotations

import os
from functools import cache
from traceback import walk_tb
from typing import Final

from pydantic import ValidationError
from pydantic_settings import SettingsError

from vaultconfig.errors import UnresolvedSettingsError, VaultConfigError
from vaultconfig.loading.mistakes import may_quote

_UNTOLD: Final = "its message may hold values"


def described(error: BaseException) -> str:
    """Return the description of *error* in one line: see `lines_about`."""
    hint = error.hint if isinstance(error, UnresolvedSettingsError) else None
    return "; ".join(filter(None, [*lines_about(error), hint]))


def lines_about(error: BaseException) -> list[str]:
    """Return the description of *error*, a line a setting: the same in every log and output.

    It holds no value. A message that was written by an application's own code may quote one, so it
    is left out, unless `clean_error` has checked it.
    """
    match error:
        case UnresolvedSettingsError():
            return list(map(str, error.failures))
        case ValidationError():
            # The errors of `clean_error` hold no input.
            return [
                f"{'.'.join(map(str, line['loc'])) or error.title}: "
                + (line["msg"] if line["input"] is None or not may_quote(line) else _UNTOLD)
                for line in error.errors(include_url=False)
            ]
        case VaultConfigError() | SettingsError():
            return [str(error)]
    place = place_of(error) or place_of(error, outside=())
    return [f"{type(error).__name__}{place} ({_UNTOLD})"]


def place_of(error: BaseException, *, outside: tuple[str, ...] | None = None) -> str:
    """Return where in the user's own files *error* was raised, if it was there.

    Args:
        error: Its traceback is looked at.
        outside: How the names of files begin that do not count: by default those of Python, of
            installed packages, and ours.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f" at {error.filename}:{error.lineno}"
    frames = ((frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__))
    others = _others() if outside is None else outside
    places = [f" at {file}:{line}" for file, line in frames if not file.startswith(others)]
    return places[-1] if places else ""


@cache
def _others() -> tuple[str, ...]:
    import sysconfig  # late: most processes end without an error

    paths = sysconfig.get_paths()
    installed = (paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    ours = os.path.dirname(os.path.dirname(__file__))
    return ("<frozen", *(f"{place}{os.sep}" for place in (*installed, ours)))
