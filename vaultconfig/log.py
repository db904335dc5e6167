"""The log of vaultconfig. A line that can't be logged breaks nothing else."""

from __future__ import annotations

import logging
import threading

LOGGER = logging.getLogger("vaultconfig")
CLIENT = logging.getLogger("vaultconfig.client")
"""For news while a request to the vault is running; the command line shows these lines alone."""


def say(level: int, message: str, *args: object, logger: logging.Logger = LOGGER) -> None:
    """Log *message*, whatever the application's filters and handlers raise."""
    try:
        logger.log(level, message, *args, stacklevel=2)
    except BaseException as error:
        # Ctrl-C arrives in the main thread; in any other it is a filter that raises such a thing.
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and not isinstance(error, Exception):
            raise
