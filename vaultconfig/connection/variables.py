"""The variables that vaultconfig reads, and names that are nearly theirs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vaultconfig.connection.connection import CONNECTION_VARIABLES, CREDENTIALS
from vaultconfig.connection.environment import VARIABLE
from vaultconfig.errors import closest

_OF_THE_STORE: Final = ("VAULTCONFIG_STORE", "VAULTCONFIG_STORE_KEY", "VAULTCONFIG_STORE_KEY_FILE")
OWN_VARIABLES: Final = (
    *CONNECTION_VARIABLES,
    VARIABLE,
    "VAULTCONFIG_DEV_PORT",
    "VAULTCONFIG_DEV_TOKEN",
    "VAULTCONFIG_BUILD",
)
"""Every variable of the process environment that vaultconfig reads."""
PRIVATE_VARIABLES: Final = (*CREDENTIALS, "VAULTCONFIG_DEV_TOKEN", *_OF_THE_STORE)
"""Those that a program does not inherit from ``run``: credentials, and the store with its keys."""

NOT_READ_BY_US: Final = (
    "SCAIVAULT_TOKEN_FILE",  # a token of another kind, which other tools of ScaiVault exchange
)
"""Variables that look like ours, and are read by other tools."""

# What Kubernetes sets in each container for a service that is called scaivault.
_SERVICE = re.compile(r"PORT|PORT_\d+_.*|SERVICE_HOST|SERVICE_PORT.*")


def misspelt_variables(names: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Yield each of *names* that looks like one of ours but is not, and which may be meant."""
    # Without the prefix: it makes all of our names similar, and users often take another of them.
    ours = {name.partition("_")[2]: name for name in OWN_VARIABLES}
    for name in names:
        prefix, _, rest = name.upper().partition("_")
        if (
            prefix in {"SCAIVAULT", "SCAIKEY", "VAULTCONFIG"}
            and rest
            and name not in {*OWN_VARIABLES, *NOT_READ_BY_US}
            and not _SERVICE.fullmatch(rest)
        ):
            # In a name of three letters one other letter is a third of it.
            near = closest(rest, ours, cutoff=0.8 if len(rest) > 3 else 0.6)
            if near is None and len(rest) > 2:
                near = next(
                    (k for k in ours if k.startswith(rest) or rest.startswith(f"{k}_")), None
                )
            yield name, None if near is None else ours[near]
