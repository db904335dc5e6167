"""The paths and fields in the vault, names alone, for a shell to complete.

It says nothing, whatever happens, and takes about a second at most: the user is typing.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from typing import Final

from vaultconfig.cli.connecting import connection_here
from vaultconfig.client import VaultClient
from vaultconfig.vaults.shared import connect

_SECONDS: Final = 1.0
_SCHEME: Final = "vault:"
_SAFE = re.compile(r"[\w./-]+", re.ASCII)
"""What no shell takes for more than text, since what the vault says is put into a command line."""


def completions(incomplete: str, *, fields: bool) -> list[str]:
    """Return the paths in the vault that begin with *incomplete*; nothing where that fails.

    Args:
        incomplete: With or without its ``vault:``, which is kept.
        fields: Whether the fields of a secret may follow a hash.
    """
    logging.getLogger("vaultconfig").addHandler(logging.NullHandler())
    scheme = _SCHEME if incomplete.startswith(_SCHEME) else ""
    path, hash_, name = incomplete.removeprefix(scheme).partition("#")
    try:
        connection = connection_here()
        if not connection.has_credentials:
            return []
        with connect(connection.model_copy(update={"deadline": _SECONDS})) as client:
            if hash_:
                found = [f"{path}#{key}" for key in (client.read(path).data if fields else ())]
            else:
                found = list(_listed(client, path))
    except Exception:  # what it is, the command itself is going to say
        return []
    shown = [item for item in found if _SAFE.fullmatch(item.replace("#", "", 1))]
    return [scheme + item for item in shown if item.startswith(f"{path}{hash_}{name}")]


def _listed(client: VaultClient, prefix: str) -> Iterator[str]:
    """Yield all paths below *prefix*; a part of them would be completed to something wrong.

    Raises:
        TimeoutError: There are too many.
    """
    end = time.monotonic() + _SECONDS
    for item in client.list(prefix):
        if time.monotonic() > end:
            raise TimeoutError
        yield item.path
