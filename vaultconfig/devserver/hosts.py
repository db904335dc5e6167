"""Which requests are meant for a server on loopback: the guard against DNS rebinding. Pure.

A web page can have its own name resolved to 127.0.0.1, and its browser then takes this server
for the page's own and lets the page read the answers. The requests still carry the page's name.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import Scope

from vaultconfig.connection.urls import is_loopback

_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9.]+))(?::[0-9]*)?")


def is_for_loopback(scope: Scope) -> bool:
    """Whether each name that a request gives for its server, or its page, is one of loopback.

    These are one ``Host``, an ``Origin`` where there is one, and a target that is a whole URL.
    """
    headers, target = Headers(scope=scope), scope["path"]
    hosts, urls = headers.getlist("host"), headers.getlist("origin")
    if not target.startswith("/"):
        urls.append(target)
    authorities = [url.partition("://")[2].partition("/")[0] for url in urls]
    return len(hosts) == 1 and all(map(_is_loopback, hosts + authorities))


def _is_loopback(authority: str) -> bool:
    found = _AUTHORITY.fullmatch(authority.lower())
    return found is not None and is_loopback(found[1] or found[2])
