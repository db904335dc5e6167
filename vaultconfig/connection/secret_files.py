"""Files that hold a secret, such as a token or a key."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vaultconfig.masking.values import mask

LONGEST: Final = 64 * 1024  # bytes


def text_of(path: Path) -> str | OSError:
    """Return the masked text of a file, up to one byte more than `LONGEST`, or why there is none.

    A FIFO is not opened, which would wait for whoever writes to it. The error is returned, so that
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
