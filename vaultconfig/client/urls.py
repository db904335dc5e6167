"""Which URLs and paths we are willing to send something to. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit

from vaultconfig.connection.urls import goes_in_clear
from vaultconfig.errors import ConfigurationError, SecretError

LONGEST_PATH = 512
MOST_LEVELS = 10


def checked_url(url: str, *, what: str, allow_http: bool) -> str:
    """Return *url* without a trailing slash, if a token may be sent to it.

    Raises:
        ConfigurationError: It is no URL, or plain HTTP to another machine.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"the {what} is not an http(s) URL: write https://HOST")
    if parts.username is not None or not {"?", "#"}.isdisjoint(url):  # empty ones too
        raise ConfigurationError(
            f"the {what} holds a user, a query or a fragment: write https://HOST/PATH"
        )
    if goes_in_clear(url) and not allow_http:
        raise ConfigurationError(
            f"the {what} {url} would send secrets in clear: use https, "
            "or set VAULTCONFIG_ALLOW_HTTP=1 if you must"
        )
    return url.rstrip("/")


def origin(url: str) -> str:
    """Return the part of *url* that names the server, for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _split(url: str) -> SplitResult | None:
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - read because reading it is what checks it
    except ValueError:
        return None
    return parts


def path_problem(path: str) -> SecretError | None:
    """Return why *path* can't be a secret's path, or None; the server knows finer rules.

    What is refused here would reach another resource than the one that was meant.
    """
    reason = _path_reason(path)
    if reason is None:
        return None
    shown = path if len(path) <= 80 else f"{path[:80]}…"
    return SecretError(f"{shown!r} is not a secret's path: {reason}", path=path)


def _path_reason(path: str) -> str | None:
    levels = path.split("/")
    if len(path) > LONGEST_PATH or len(levels) > MOST_LEVELS:
        return f"at most {LONGEST_PATH} characters on {MOST_LEVELS} levels"
    if not path.isprintable() or "?" in path or "#" in path:
        return "no control characters, '?' or '#'"
    if ".." in path or not {"", "."}.isdisjoint(levels):
        return "no '..', and each level has a name"
    return None


def encoded_path(path: str) -> str:
    """Return *path* as it stands in a URL."""
    return quote(path, safe="/")
