"""The cache: a clock, ages, and nothing else."""

from __future__ import annotations

import pytest

from vaultconfig.secret import Secret, SecretKey
from vaultconfig.vaults.cache import Reading, SecretCache

APP = SecretKey("app")
SECRET = Secret("app", 1, {"token": "canary"})


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> SecretCache:
    return SecretCache(clock=clock)


@pytest.mark.parametrize(("age", "there"), [(0, True), (9.9, True), (10, False), (11, False)])
def test_age_counts_from_the_request(
    cache: SecretCache, clock: Clock, age: float, there: bool
) -> None:
    """A secret is served while it is younger than asked for, counted from when it was asked."""
    cache.put(APP, Reading(SECRET, 90.0 + (10 - age)), keep=1000)
    assert (cache.get(APP, max_age=10) is not None) is there


def test_a_version_is_an_entry_of_its_own(cache: SecretCache) -> None:
    """A pin and the newest version are two reads."""
    cache.put(SecretKey("app", 1), Reading(SECRET, 100), keep=10)
    assert cache.get(APP, max_age=10) is None
    assert cache.get(SecretKey("app", 1), max_age=10) is not None


def test_it_ends_when_it_was_to_be_kept_no_longer(cache: SecretCache, clock: Clock) -> None:
    """Past its keep a secret is gone from memory, whatever age is asked for."""
    cache.put(APP, Reading(SECRET, 100), keep=10)
    clock.now = 109.9
    assert cache.get(APP, max_age=1e9) is not None
    clock.now = 110
    assert cache.get(APP, max_age=1e9) is None


def test_what_has_ended_does_not_stay_in_memory(cache: SecretCache, clock: Clock) -> None:
    """The next secret that comes takes it away; what was read again since then stays."""
    cache.put(APP, Reading(SECRET, 100), keep=10)
    cache.put(SecretKey("long"), Reading(SECRET, 100), keep=11)
    cache.put(SecretKey("again"), Reading(SECRET, 100), keep=10)
    cache.put(SecretKey("again"), Reading(SECRET, 105), keep=10)
    clock.now = 110
    cache.put(SecretKey("new"), Reading(SECRET, 110), keep=10)
    assert set(cache._entries) == {SecretKey(path) for path in ("long", "again", "new")}


def test_what_came_while_another_thread_was_tidying_stays(cache: SecretCache, clock: Clock) -> None:
    """Its end was not noted, and that of what stood there before is not its own."""
    cache.put(APP, Reading(SECRET, 100), keep=10)
    with cache._tidying:
        cache.put(APP, newer := Reading(SECRET, 105), keep=10)
    clock.now = 110
    cache.put(SecretKey("new"), Reading(SECRET, 110), keep=10)
    assert cache.get(APP, max_age=10) is newer
    assert not cache._tidying.locked()


def test_forget(cache: SecretCache) -> None:
    """What was taken away is gone; forgetting nothing is no mistake."""
    cache.put(APP, Reading(SECRET, 100), keep=10)
    cache.forget(APP)
    cache.forget(APP)
    assert cache.get(APP, max_age=10) is None


def test_it_prints_its_size_only(cache: SecretCache) -> None:
    """Neither the cache nor an entry shows a value."""
    cache.put(APP, Reading(SECRET, 100), keep=10)
    assert repr(cache) == "<SecretCache of 1 secrets>"
    assert "canary" not in repr(cache.get(APP, max_age=10))
