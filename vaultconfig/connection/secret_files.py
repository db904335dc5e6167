"""Files that hold a secret, such as a token or a key, and what stands in them beside a token."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from vaultconfig.masking.values import mask
from vaultconfig.references import without_quotes

LONGEST: Final = 64 * 1024  # bytes

_BEARER: Final = re.compile(r"(authorization:\s*)?bearer\s", re.IGNORECASE)
# A token itself may end in "=".
_ASSIGNMENT: Final = re.compile(r"(export\s+)?\w*token\w*\s*=\s*[^=\s]", re.IGNORECASE)


def token_problem(text: str) -> str | None:
    """Return what stands around the token in *text*, in words that quote nothing of it."""
    bare = text.strip()
    if _BEARER.match(bare):
        return "expected the token alone, without 'Bearer' before it"
    if _ASSIGNMENT.match(bare):
        return "expected the token alone, without a name before it"
    if bare.startswith("{"):
        return "expected the token alone, not JSON around it"
    if without_quotes(bare) != bare:
        return "expected the token alone, without quotes around it"
    return None


def text_of(path: Path) -> str | OSError:
    """Return the masked text of a file, up to one byte more than `LONGEST`, or why there is none.

    A FIFO is not opened, which would wait for a writer. The error is returned, so that
    no frame of a traceback holds the content.
    """
    try:
        if not path.is_file():
            path.stat()  # says why
            return OSError(0, "not a regular file")
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as exc:
        return exc.with_traceback(None)
    masked: str = mask(content.decode("latin-1").rstrip("\r\n"))
    return masked
