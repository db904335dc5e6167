"""The options of a reference: their values as text and as Python values. Pure.

An option stands in `OPTIONS`, as an attribute and argument of `vaultconfig.VaultRef`, and in the
table of docs/reference/references.md; a test compares the three.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from vaultconfig.errors import ConfigurationError

# Outside of this a float prints with an exponent, or is more than a platform's clock can wait.
_SHORTEST: Final = 0.001
_LONGEST: Final = 36_500 * 86_400.0

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "": 1}
_DURATION = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?([smhd]?)")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def parse_duration(text: str) -> float | None:
    """Return the seconds that ``90``, ``5m``, ``1.5h`` or ``7d`` stand for, or None."""
    match = _DURATION.fullmatch(text)
    if not match:
        return None
    whole, fraction, unit = match.groups(default="")
    # Divided as integers, so that the result is the float nearest to what was written.
    seconds: float = int(whole + fraction) * _UNITS[unit] / 10 ** len(fraction)
    return seconds if seconds == 0 or _SHORTEST <= seconds <= _LONGEST else None


def print_duration(seconds: float) -> str:
    """Return the shortest text that `parse_duration` reads as exactly *seconds*."""
    for unit in "dhm":
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return repr(seconds).removesuffix(".0")


def _parse_version(text: str) -> int | None:
    return int(text) if _VERSION.fullmatch(text) else None


def _check_version(value: Any) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 1 <= value < 10**9 else None


def _check_duration(value: Any, *, or_zero: bool) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    fits = _SHORTEST <= value <= _LONGEST or (or_zero and value == 0)
    return float(value) if fits else None


def _check_flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


class Option(NamedTuple):
    """What an option of a reference can be.

    Attributes:
        expected: The same in words, for errors.
        check: Returns a value as it is kept, or None where it makes no sense.
        parse: Returns the value that a text stands for, or None; None is an option without one.
        show: Returns the text that stands for a value.
    """

    expected: str
    check: Callable[[Any], Any]
    parse: Callable[[str], Any] | None = None
    show: Callable[[Any], str] = str

    @property
    def unset(self) -> Any:
        """Its value where a reference does not have it."""
        return False if self.parse is None else None


OPTIONS: Final[Mapping[str, Option]] = {
    "version": Option("a whole number from 1", _check_version, _parse_version),
    "ttl": Option(
        "a duration above 0, such as 90, 5m, 12h or 7d",
        partial(_check_duration, or_zero=False),
        lambda text: parse_duration(text) or None,
        print_duration,
    ),
    "max_stale": Option(
        "a duration, such as 0, 90, 5m, 12h or 7d",
        partial(_check_duration, or_zero=True),
        parse_duration,
        print_duration,
    ),
    "optional": Option("True or False", _check_flag),
}
"""In the order in which they are printed."""

_NAMES: Final = [f"'{name}{'=' if option.parse else ''}'" for name, option in OPTIONS.items()]
ANY: Final = f"{', '.join(_NAMES[:-1])} or {_NAMES[-1]}"
"""What is expected where an option has to stand, in words."""

UNSET: Final = {name: option.unset for name, option in OPTIONS.items()}


def checked(name: str, value: object) -> Any:
    """Return *value* of the option *name* as it is kept, durations as float seconds.

    Raises:
        ConfigurationError: It is not what the option can be.
    """
    result = OPTIONS[name].check(value)
    if result is None:
        raise ConfigurationError(f"{name} is {value!r}: expected {OPTIONS[name].expected}")
    return result


def query(values: Mapping[str, Any]) -> str:
    """Return the text of the options that are set among *values*, with the question mark."""
    texts = [
        f"{name}={option.show(values[name])}" if option.parse else name
        for name, option in OPTIONS.items()
        if values[name] is not option.unset
    ]
    return f"?{'&'.join(texts)}" if texts else ""
