"""How much longer a line of a log takes where 200 secrets are masked."""

from __future__ import annotations

import logging
import secrets

from tests.benchmarks.measuring import Result, cpu, pairs
from vaultconfig.masking.redactor import Redactor
from vaultconfig.masking.values import mask
from vaultconfig.redaction import RedactingFormatter

LINES = 10_000
SECRETS = 200
MESSAGES = (
    ("%d users", (5,)),
    (
        '%s - "%s %s HTTP/1.1" %d in %d ms',
        ("10.0.3.17:50412", "GET", "/api/v1/users/81723", 200, 12),
    ),
    ("the job %s of %s has been put into the queue %r", ("reindex", "acme", "background")),
    (
        "connection to %s:%d failed: timeout expired; it is tried again in %.1f s",
        ("db.internal", 5432, 2.5),
    ),
)


def lines() -> Result:
    """Runs of 10,000 lines, ten of which are the 100,000 of the promise."""
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    redactor = Redactor()
    redactor.is_used = True
    redactor.learn(mask([secrets.token_urlsafe(18) for _ in range(SECRETS)]), are_all=True)
    redacting = object.__new__(RedactingFormatter)
    vars(redacting).update(_formatter=plain, _redactor=redactor)
    records = [
        logging.LogRecord("app.request", logging.INFO, "", 0, message, args, None)
        for message, args in MESSAGES
    ]

    def through(formatter: logging.Formatter) -> None:
        for record in records * (LINES // len(records)):
            formatter.format(record)

    ours, theirs = pairs(lambda: through(redacting), lambda: through(plain), turns=10, clock=cpu)
    longer = [(mine - other) / LINES * 1e6 for mine, other in zip(ours, theirs, strict=True)]
    name = f"a log line with {SECRETS} secrets masked, longer than without"
    return Result(name, 15.0, longer, min(ours) / LINES, min(theirs) / LINES, unit="µs")
