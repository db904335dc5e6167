"""Log lines without secrets: a formatter around yours, which masks what came from the vault."""

from __future__ import annotations

import logging
from traceback import format_exception_only
from typing import Any

from vaultconfig.errors import ConfigurationError
from vaultconfig.live import LiveSettings, check_live

__all__ = ["RedactingFormatter"]


class RedactingFormatter(logging.Formatter):
    """Masks the values of live settings in the lines that another formatter makes.

    The finished text is what is masked: message, arguments, traceback and all. A value is each
    scalar of six characters or more that came from the vault, in use or one of the last 1000
    before; also its lines, and the password of a URL in it. It is found as it is and as `repr`
    (of bytes, too), JSON or percent-encoding write it.

    It waits for nothing, starts nothing and raises nothing, and passes on all before *live* is
    loaded. It does not keep *live* alive.

    Args:
        live: The settings.
        formatter: Yours; by default one that gives the message, and a traceback.

    Raises:
        ConfigurationError: An argument is of another type.
    """

    def __init__(self, live: LiveSettings[Any], formatter: logging.Formatter | None = None) -> None:
        super().__init__()
        check_live(live, "RedactingFormatter", "RedactingFormatter(live, …)")
        if formatter is not None and not isinstance(formatter, logging.Formatter):
            raise ConfigurationError(
                f"RedactingFormatter takes a logging.Formatter, not {type(formatter).__name__}: in"
                " a dictConfig write cfg://formatters.NAME, and list NAME before it"
            )
        self._formatter = formatter or logging.Formatter()
        self._redactor = live.redactor()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for *record*, masked."""
        try:
            line = str(self._formatter.format(record))
        except Exception as error:  # logging would print the arguments as they are
            why = "".join(format_exception_only(error)).strip()
            line = f"the line of {record.pathname}:{record.lineno} can't be formatted: {why}"
        return self._redactor.redact(line)
