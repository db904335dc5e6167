"""Rate limits: a token bucket an identity and kind of operation. Pure: time is an argument."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

DOCUMENTED_LIMITS: Mapping[str, int] = {
    "read": 1000,
    "batch": 100,
    "list": 100,
    "write": 100,
    "whoami": 300,
    "subscription": 20,
    "poll": 240,
}
"""Units a minute and identity, as ScaiVault documents them."""

_ROUNDING = 1e-9  # a bucket that was refilled in small steps may lack this much of a unit


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a bucket said to one request.

    Attributes:
        limit: Units a minute.
        remaining: Whole units that are left.
        reset_at: When the bucket is full again, in Unix seconds.
        retry_after: Seconds until what was asked will be there; None if it was granted.
    """

    limit: int
    remaining: int
    reset_at: int
    retry_after: int | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell the client."""
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_at),
        }
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers


class RateLimits:
    """All buckets, each full at first.

    Args:
        per_minute: Units by kind; a kind that is not named is not limited.
    """

    def __init__(self, per_minute: Mapping[str, int]) -> None:
        self._per_minute = dict(per_minute)
        self._levels: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, identity_id: str, kind: str, *, now: float, units: int = 1) -> Allowance | None:
        """Take *units* from the identity's bucket, or none of them if it holds fewer.

        More than a bucket can ever hold empties it. None where the kind has no limit.
        """
        limit = self._per_minute.get(kind)
        if limit is None:
            return None
        rate, wanted = limit / 60, min(units, limit)
        level, seen_at = self._levels.get((identity_id, kind), (float(limit), now))
        level = min(limit, level + max(0.0, now - seen_at) * rate + _ROUNDING)
        missing = wanted - level
        if missing <= 0:
            level -= wanted
        self._levels[identity_id, kind] = (level, now)
        return Allowance(
            limit=limit,
            remaining=math.floor(level),
            reset_at=math.ceil(now + (limit - level) / rate),
            retry_after=None if missing <= 0 else max(1, math.ceil(missing / rate)),
        )
