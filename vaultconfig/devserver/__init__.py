"""A local ScaiVault for development and tests, built to ScaiVault's pages and not to our client."""

# The way of a request, from the socket to the answer:
#
#     listener     uvicorn's HTTP on a socket, in a thread of this process
#     front        read whole, logged, turned away if it is for another server (`hosts`), held or
#                  made to fail if a test says so (`admin`, `faults`)
#     operations   a route to an endpoint for each row of ScaiVault's operations table; `oauth` has
#                  the token endpoint, `admin` those under ``/_dev/``
#     callers      the token (`identities`), the limit (`limits`), the tenant and the scope
#     bodies       what was sent, checked by pydantic
#     instance     the work: secrets (`contents`, kept by `state`) and `subscriptions` to them
#     answers      JSON, or an error in ScaiVault's envelope, on its way back through `front`
#
# `server` is all of it as one object, `seed` what it holds at first, `paths` their rules and globs.

from __future__ import annotations

from vaultconfig.errors import missing_extra

if _missing := missing_extra("the dev server", ["starlette", "uvicorn"], extra="dev-server"):
    raise _missing

from vaultconfig.devserver.faults import Fault, LoggedRequest
from vaultconfig.devserver.identities import Identity
from vaultconfig.devserver.limits import DOCUMENTED_LIMITS
from vaultconfig.devserver.server import DevServer

__all__ = ["DOCUMENTED_LIMITS", "DevServer", "Fault", "Identity", "LoggedRequest"]
