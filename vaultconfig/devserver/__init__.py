"""A local ScaiVault for development and tests, built to ScaiVault's pages and not to our client."""

from __future__ import annotations

import importlib.util

_MISSING = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
if _MISSING:
    raise ModuleNotFoundError(
        f"the dev server needs {' and '.join(_MISSING)}: install scaivault-config[dev-server]",
        name=_MISSING[0],
    )

from vaultconfig.devserver.faults import Fault, LoggedRequest  # noqa: E402 -- once the extra is there
from vaultconfig.devserver.identities import Identity  # noqa: E402 -- once the extra is there
from vaultconfig.devserver.limits import DOCUMENTED_LIMITS  # noqa: E402 -- once the extra is there
from vaultconfig.devserver.server import DevServer  # noqa: E402 -- once the extra is there

__all__ = ["DOCUMENTED_LIMITS", "DevServer", "Fault", "Identity", "LoggedRequest"]
