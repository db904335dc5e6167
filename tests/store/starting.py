"""A program that forks so many processes, which load settings all at once; each says what it got.

The first argument is their number. Each prints a line of JSON: whether it is up, and what it has
read or why not. They begin when a line comes in on standard input.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any

import vaultconfig.client
import vaultconfig.source.asking
import vaultconfig.store.directory
import vaultconfig.store.store  # noqa: F401 - all of them once, before the processes are there
from vaultconfig import VaultSettings
from vaultconfig.errors import VaultConfigError


def settings_of(secrets: int) -> type[VaultSettings]:
    """Return a class with so many secrets, and one that need not exist."""
    fields: dict[str, Any] = {
        f"field_{n}": Annotated[str, f"vault:app/s{n}#key"] for n in range(secrets)
    }
    fields["absent"] = Annotated[str, "vault:app/absent?optional#key"]
    return type("Settings", (VaultSettings,), {"__annotations__": fields, "absent": "default"})


def load(settings_cls: type[VaultSettings]) -> None:
    try:
        found: object = len({*settings_cls().model_dump().values()})
        is_up = True
    except VaultConfigError as error:
        found, is_up = str(error), False
    line = json.dumps({"is_up": is_up, "found": found})
    os.write(1, f"{line}\n".encode())


def main() -> None:
    number, secrets = map(int, sys.argv[1:3])
    settings_cls = settings_of(secrets)
    gate, opener = os.pipe()
    children: list[int] = []
    for _ in range(number):
        child = os.fork()
        if child == 0:
            os.close(opener)
            os.read(gate, 1)  # until the parent closes the other end
            load(settings_cls)
            os._exit(0)
        children.append(child)
    os.write(1, f"{json.dumps(children)}\n".encode())
    sys.stdin.readline()
    os.close(opener)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
