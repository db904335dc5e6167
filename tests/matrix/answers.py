"""Faults of the answer: of what is between us and the vault, and the vault's own errors."""

from __future__ import annotations

import gzip
import json
import math
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any, Final

from tests.client.scripted import Asked, Reply, envelope
from tests.matrix.fault import Fault, always, instead
from tests.matrix.world import World
from vaultconfig.devserver.answers import STATUS

PAUSE: Final = 2  # seconds of a Retry-After that is waited for
MIB: Final = 1 << 20


def _html(status: int) -> Reply:
    return Reply(status, b"<html><body>Please log in</body></html>")


def _truncated(world: World, asked: Asked) -> Reply:
    whole = json.dumps(world.vault.answer(asked).body).encode()
    return Reply(body=whole[: len(whole) // 2])


def _swapped(world: World, asked: Asked, *, named: bool) -> Reply:
    paths = asked.json["paths"]
    found = [world.vault.secret(path, named=named) for path in reversed(paths)]
    return world.vault.batch(dict(zip(paths, found, strict=True)))


def _of_one_secret(code: str, told: str = "") -> Fault:
    """Have the batch answer *code* for shop/mail, and the secret for shop/db."""

    def reply(world: World, asked: Asked) -> Reply:
        error = {"code": code, "message": "no", "request_id": "req_1"}
        return world.vault.batch(
            {"shop/db": world.vault.secret("shop/db")}, errors={"shop/mail": error}
        )

    return instead(reply, told or code)


def _odd(secret: Any, told: str) -> Fault:
    """Have the batch answer *secret* for shop/mail beside a good one."""
    return instead(
        lambda world, asked: world.vault.batch(
            {"shop/db": world.vault.secret("shop/db"), "shop/mail": secret}
        ),
        told,
    )


def _rejected(status: int, code: str) -> Fault:
    return always(envelope(code, status=status), code)


def _rate_limited(retry_after: Callable[[], str] | None, *, passes: bool = False) -> Fault:
    def reply(world: World, asked: Asked) -> Reply:
        if passes and len(world.reads_since) > 1:
            return world.vault.answer(asked)
        headers = {} if retry_after is None else {"Retry-After": retry_after()}
        return envelope("rate_limited", status=429, headers=headers)

    return instead(reply, "asks us to wait")


ANSWERS: Final[Mapping[str, Fault]] = {
    "truncated JSON": instead(_truncated, "not a JSON object"),
    "garbage in place of JSON": always(Reply(body=b"\x00\xff garbage"), "not a JSON object"),
    "a proxy's page with 200": always(_html(200), "not a JSON object"),
    "a proxy's page with 401": always(_html(401), "something between us and the vault"),
    "a proxy's page with 403": always(_html(403), "something between us and the vault"),
    "a proxy's page with 404": always(_html(404), "something between us and the vault"),
    "a proxy's page with 502": always(_html(502), "status 502"),
    "gzip bomb": always(
        Reply(body=gzip.compress(bytes(16 * MIB), 1), headers={"Content-Encoding": "gzip"}),
        "compressed",
    ),
    "deeply nested JSON": always(Reply(body=b'{"a":' * 200_000), "nested too deeply"),
    "an answer of 9 MiB": always(Reply(body=b" " * (9 * MIB)), "larger than 8 MiB"),
    "redirect": always(
        Reply(302, headers={"Location": "http://127.0.0.1:1/elsewhere"}),
        "redirects are not followed",
    ),
    "swapped paths, which the answer names": instead(
        lambda world, asked: _swapped(world, asked, named=True), "about another path"
    ),
    "swapped paths, which fields tell": instead(
        lambda world, asked: _swapped(world, asked, named=False), "has no field"
    ),
    "one secret with a number that JSON does not have": _odd(
        {"version": 2, "data": {"key": "CANARY", "n": math.nan}}, "holds NaN or Infinity"
    ),
    "one secret without a version": _odd({"data": {"key": "CANARY"}}, "no integer as 'version'"),
    **{f"401 {code}": _rejected(401, code) for code, status in STATUS.items() if status == 401},
    **{f"403 {code}": _of_one_secret(code) for code, status in STATUS.items() if status == 403},
    "403 on the whole batch": _rejected(403, "insufficient_scope"),
    "404 secret_not_found": _of_one_secret("secret_not_found", "there is no secret at shop/mail"),
    "404 tenant_not_found": _rejected(404, "tenant_not_found"),
    "409 version_conflict": _rejected(409, "version_conflict"),
    "429 without Retry-After": _rate_limited(None),
    "429, Retry-After in seconds": _rate_limited(lambda: str(PAUSE), passes=True),
    "429, Retry-After as a date": _rate_limited(
        lambda: formatdate(time.time() + PAUSE, usegmt=True), passes=True
    ),
    "429, Retry-After of a day": _rate_limited(lambda: "86400"),
    "429, Retry-After is garbage": _rate_limited(lambda: "soon"),
    "429, Retry-After is negative": _rate_limited(lambda: "-5"),
    "500 internal_error": _rejected(500, "internal_error"),
    "503 service_unavailable": _rejected(503, "service_unavailable"),
}
