"""The values that the options of a reference take, as text and as Python values. Pure."""

from __future__ import annotations

import re
from typing import Final

from vaultconfig.errors import ConfigurationError

EXPECTED: Final = {
    "version": "a whole number from 1",
    "ttl": "a duration above 0, such as 90, 5m, 12h or 7d",
    "max_stale": "a duration, such as 0, 90, 5m, 12h or 7d",
}
"""What each option that has a value is set to."""

# Outside of this a float prints with an exponent, or is more than a platform's clock can wait.
_SHORTEST: Final = 0.001
_LONGEST: Final = 36_500 * 86_400.0

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "": 1}
_DURATION = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?([smhd]?)")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def parse_option(name: str, text: str) -> float | None:
    """Return what *text* sets the option *name* to, or None where it makes no sense."""
    if name == "version":
        return int(text) if _VERSION.fullmatch(text) else None
    seconds = parse_duration(text)
    return None if name == "ttl" and seconds == 0 else seconds


def check_option(name: str, value: float) -> float:
    """Return *value*, durations as float seconds.

    Raises:
        ConfigurationError: It is not what the option *name* can be.
    """
    is_duration = name != "version"
    if not isinstance(value, (int, float) if is_duration else int) or isinstance(value, bool):
        fits = False
    elif is_duration:
        fits = _SHORTEST <= value <= _LONGEST or (value == 0 and name == "max_stale")
    else:
        fits = 1 <= value < 10**9
    if not fits:
        raise ConfigurationError(f"{name} is {value!r}: expected {EXPECTED[name]}")
    return float(value) if is_duration else value


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
