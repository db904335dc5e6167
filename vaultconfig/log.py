"""The log of vaultconfig. A line that can't be logged never breaks what it tells of."""

from __future__ import annotations

import logging
from contextlib import suppress

LOGGER = logging.getLogger("vaultconfig")


def say(level: int, message: str, *args: object) -> None:
    """Log *message*, whatever the application's filters and handlers raise."""
    with suppress(Exception):
        LOGGER.log(level, message, *args, stacklevel=2)
