"""Which requests go through a proxy. What the environment means is for httpx to say."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping
from typing import TypeAlias

import httpcore
import httpx

from vaultconfig.connection.urls import is_loopback
from vaultconfig.errors import ConfigurationError
from vaultconfig.log import CLIENT, say

Send: TypeAlias = Callable[[httpx.Request, httpcore.Proxy | None], httpx.Response]


class ViaProxy(httpx.BaseTransport):
    """Sends through a proxy, but for what is meant for this machine.

    Plain HTTP is allowed there because it leaves no machine.
    """

    def __init__(self, address: str, *, scheme: str, send: Send) -> None:
        self._address = address
        self._scheme = scheme
        self._send = send
        self._proxy: httpcore.Proxy | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*.

        Raises:
            ConfigurationError: The environment holds no proxy's URL.
        """
        if is_loopback(request.url.host):
            return self._send(request, None)
        if self._proxy is None:
            self._proxy = self._parsed()
        return self._send(request, self._proxy)

    def _parsed(self) -> httpcore.Proxy:
        try:
            proxy = httpx.Proxy(self._address)
        except (ValueError, httpx.InvalidURL):
            pass
        else:
            return httpcore.Proxy(str(proxy.url), auth=proxy.raw_auth)
        raise ConfigurationError(  # it is not quoted, since it may hold a password
            f"the proxy for {self._scheme} in the environment is not a proxy URL"
        )


def mounts_for(send: Send, found: Mapping[str, str]) -> Mapping[str, httpx.BaseTransport | None]:
    """Return the proxies of the environment by httpx's URL patterns; None stands for no proxy.

    Args:
        send: Sends through a proxy.
        found: What ``urllib.request.getproxies`` returns.

    httpx reads the same variables where it may make the transports itself. Its patterns, which
    decide in the end, are public; these lines are not, so a test compares both.
    """
    excepted = [entry.strip() for entry in found.get("no", "").split(",")]
    if "*" in excepted:
        return {}
    proxies = {
        f"{scheme}://": ViaProxy(
            address if "://" in address else f"http://{address}", scheme=scheme, send=send
        )
        for scheme in ("http", "https", "all")
        if (address := found.get(scheme))
    }
    patterns = [_pattern(entry) for entry in excepted if entry and proxies]
    return proxies | {pattern: None for pattern in patterns if _is_readable(pattern)}


def _is_readable(pattern: str) -> bool:
    try:
        httpx.URL(pattern)
    except (ValueError, httpx.InvalidURL):
        # httpx's own client fails then; a range of IPv6 addresses is no reason for us to.
        say(
            logging.WARNING,
            "an entry of NO_PROXY is not a host that httpx can read: it has no effect",
            logger=CLIENT,
        )
        return False
    return True


def _pattern(entry: str) -> str:
    if "://" in entry:
        return entry
    try:
        version = ipaddress.ip_address(entry.partition("/")[0]).version
    except ValueError:
        return f"all://{entry}" if entry.lower() == "localhost" else f"all://*{entry}"
    return f"all://[{entry}]" if version == 6 else f"all://{entry}"
