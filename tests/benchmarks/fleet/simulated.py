"""What a fleet would do in hours, on a clock of its own: when each host asks, and no request."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate, count, takewhile
from random import Random
from typing import Final

from vaultconfig.errors import VaultUnavailableError
from vaultconfig.live.schedule import Schedule, backoff
from vaultconfig.secret import SecretKey
from vaultconfig.vaults.lifetime import Lifetime

HOSTS: Final = 200
TTL, TTLS = 300.0, 6
HOUR: Final = 3600.0
_KEY: Final = SecretKey("app/db")  # those of one host are read in one batch, at one time


def started(random: Random) -> Schedule:
    """Return the schedule of a host that has started at 0."""
    schedule = Schedule(random.random)
    schedule.track({_KEY: Lifetime(TTL, math.inf)}, {_KEY: 0.0}, 0.0, absent=())
    return schedule


def peak_to_mean(seed: int) -> float:
    """Return how many reads a fleet that has started together makes in its busiest minute.

    By those of a mean minute, over some ttls; the reads of the start itself do not count.
    """
    random, minutes = Random(seed), Counter[int]()
    for _ in range(HOSTS):
        schedule = started(random)
        while (now := schedule.next_at()) < TTL * TTLS:
            minutes[int(now // 60)] += 1
            schedule.succeeded({_KEY: now}, now, absent=())
    return max(minutes.values()) / (minutes.total() / (TTL * TTLS / 60))


def asked_in_an_outage(seed: int) -> float:
    """Return how often a minute the busiest host asks a vault that is away for an hour.

    Each host has a subscription of its own, whose polls back off until a refresh has failed, too.
    """
    random, away, busiest = Random(seed), VaultUnavailableError("away"), 0
    for _ in range(HOSTS):
        schedule, asked = started(random), 0
        first = schedule.next_at()
        end = first + HOUR
        while (now := schedule.next_at()) < end:
            asked += 1
            schedule.unavailable([_KEY], away, now)
        polled_at = accumulate(backoff(failures, random.random()) for failures in count(1))
        asked += sum(1 for _ in takewhile(first.__gt__, polled_at))
        busiest = max(busiest, asked)
    return busiest / (HOUR / 60)
