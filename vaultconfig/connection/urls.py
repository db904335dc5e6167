"""The rules for URLs that secrets and tokens are sent to. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from vaultconfig.errors import ConfigurationError


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, by its address or as ``localhost``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def goes_in_clear(url: str) -> bool:
    """Whether *url* is plain HTTP to another machine, so that others can read the traffic."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def origin(url: str) -> str:
    """Return the part of *url* that names the server, for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def url_problem(url: str) -> str | None:
    """Return what is wrong with *url*, or None; never the URL itself, which may hold a password."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # of the port, or of an IPv6 host
        is_address = False
    # urlsplit() overlooks line ends and tabs, which httpx would not.
    if not is_address or not url.isprintable() or " " in url:
        return "expected an address such as https://vault.example.com"
    if parts.username is not None or not {"?", "#"}.isdisjoint(url):  # empty ones too
        return "expected an address without credentials, '?' or '#'"
    return None


def checked_url(url: str, *, name: str, allow_http: bool) -> str:
    """Return *url* without a trailing slash, if a token may be sent to it.

    Args:
        url: The address of a server.
        name: What it is called in messages.
        allow_http: Whether plain HTTP may go to other machines.

    Raises:
        ConfigurationError: It is not a URL, or plain HTTP to another machine.
    """
    problem = url_problem(url)
    if problem is not None:
        raise ConfigurationError(f"the {name} is invalid: {problem}")
    if goes_in_clear(url) and not allow_http:
        raise ConfigurationError(
            f"the {name} {url} would send secrets in clear: use https, "
            "or set VAULTCONFIG_ALLOW_HTTP=1 if you must"
        )
    return url.rstrip("/")
