"""When secrets are read again, how fresh they are and when they expire: the bare rules."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest

from vaultconfig.errors import (
    AccessDeniedError,
    AuthenticationError,
    FieldNotFoundError,
    RateLimitedError,
    ResponseError,
    SecretNotFoundError,
    VaultUnavailableError,
    VersionNotFoundError,
)
from vaultconfig.live.schedule import Schedule, backoff
from vaultconfig.vaults.lifetime import Lifetime

USUAL = Lifetime(ttl=300.0, max_stale=86_400.0)
DOWN = VaultUnavailableError("down")


def schedule(*, chance: float = 0.0, **lifetimes: Lifetime) -> Schedule:
    made = Schedule(lambda: chance)
    return tracking(made, lifetimes or {"a": USUAL})


def tracking(made: Schedule, lifetimes: Mapping[str, Lifetime]) -> Schedule:
    """Follow secrets that were read again at 0.0, so that the first refresh is over."""
    keys = dict(lifetimes)  # their paths: to a schedule any key is as good
    begin(made, keys)
    read(made, *keys, now=0.0)
    return made


def begin(
    made: Schedule, keys: Mapping[str, Lifetime], read_at: float = 0.0, *, now: float = 0.0
) -> None:
    made.track(keys, dict.fromkeys(keys, read_at), now, absent=())


def read(made: Schedule, *keys: str, now: float, read_at: float | None = None) -> None:
    made.succeeded(dict.fromkeys(keys, now if read_at is None else read_at), now, absent=())


@pytest.mark.parametrize(("chance", "due_at"), [(0.0, 225.0), (0.5, 255.0), (1.0, 285.0)])
def test_a_secret_is_due_after_a_random_part_of_its_ttl(chance: float, due_at: float) -> None:
    """A refresh is due at ttl × U(0.75, 0.95)."""
    made = schedule(chance=chance)
    assert made.next_at() == pytest.approx(due_at)
    read(made, "a", now=1000.0)
    assert made.next_at() == pytest.approx(1000.0 + due_at)


@pytest.mark.parametrize(("chance", "due_at"), [(0.0, 15.0), (0.5, 150.0), (1.0, 285.0)])
def test_the_first_refresh_comes_at_any_time(chance: float, due_at: float) -> None:
    """It is due at ttl × U(0.05, 0.95), so that hosts that start together drift apart at once."""
    made = Schedule(lambda: chance)
    begin(made, {"a": USUAL})
    assert made.next_at() == pytest.approx(due_at)


@pytest.mark.parametrize(("chance", "due_at"), [(0.0, 205.0), (0.5, 250.0), (1.0, 295.0)])
def test_what_was_read_before_the_start_is_due_in_the_rest_of_its_ttl(
    chance: float, due_at: float
) -> None:
    """Children of a master that read 200 s ago drift apart over the 100 s that are left."""
    made = Schedule(lambda: chance)
    begin(made, {"a": USUAL}, now=200.0)
    assert made.next_at() == pytest.approx(due_at)
    assert made.age(210.0) == 210.0


@pytest.mark.parametrize("now", [300.0, 5000.0])
def test_what_is_past_its_ttl_at_the_start_is_due_now(now: float) -> None:
    """Not in the past, which would be overdue."""
    made = Schedule(lambda: 0.5)
    begin(made, {"a": USUAL}, now=now)
    assert made.next_at() == now


def test_due_times_count_from_the_time_of_reading() -> None:
    """What another process read 100 s ago is due as if it had been read here then."""
    made = schedule(a=USUAL, b=USUAL)
    made.succeeded({"a": 900.0, "b": 1000.0}, 1000.0, absent=())
    assert made.due(1125.0) == ["a"]
    assert made.due(1225.0) == ["a", "b"]
    assert (made.age(1100.0), made.expires_at()) == (200.0, 900.0 + USUAL.max_stale)
    assert not made.is_outdated(1199.9)
    assert made.is_outdated(1200.0)


def test_a_value_that_does_not_fit_is_as_old_as_its_reading() -> None:
    """Whoever read it; the value that stays in use is as young as that."""
    made = schedule()
    made.rejected({"a": ValueError()}, {"a": 900.0}, 1000.0)
    assert (made.age(1000.0), made.next_at()) == (100.0, 1125.0)


def test_an_old_reading_is_no_busy_loop() -> None:
    """What was read nearly a ttl ago, or longer, is due soon, but a tenth of a second apart."""
    made = schedule()
    read(made, "a", now=1000.0, read_at=710.0)
    assert made.next_at() == pytest.approx(1000.1)
    made.rejected({"a": ValueError()}, {"a": 0.0}, 1001.0)
    assert made.next_at() == pytest.approx(1001.1)


def test_a_secret_is_due_at_its_time_and_not_before() -> None:
    """At exactly the time it is due, and a moment before it is not."""
    made = schedule()
    assert made.due(math.nextafter(225.0, 0.0)) == []
    assert made.due(225.0) == ["a"]


def test_what_is_read_together_stays_together() -> None:
    """One draw a batch: secrets that were read together are due together, ttl for ttl."""
    draws = random.Random(1)
    made = Schedule(draws.random)
    keys = {f"s{number}": USUAL for number in range(50)}
    begin(made, keys)
    for _ in range(5):
        now = made.next_at()
        assert made.due(now) == list(keys)
        read(made, *keys, now=now)


def test_each_secret_has_its_own_ttl() -> None:
    """Only what is due is read; the others wait for their own time."""
    made = schedule(often=Lifetime(10.0, 100.0), seldom=Lifetime(100.0, 100.0))
    assert made.due(7.5) == ["often"]
    read(made, "often", now=7.5)
    assert made.next_at() == 15.0
    assert made.due(75.0) == ["often", "seldom"]


def test_a_tiny_ttl_is_no_busy_loop() -> None:
    """However short a ttl, there is a tenth of a second between two reads."""
    made = Schedule(lambda: 0.0)
    begin(made, {"a": Lifetime(0.001, 0.0)})
    assert made.next_at() == pytest.approx(0.1)
    read(made, "a", now=0.1)
    assert made.next_at() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 1.0), (2, 2.0), (3, 4.0), (7, 64.0), (8, 120.0), (1000, 120.0)]
)
def test_the_backoff_doubles_up_to_two_minutes(failures: int, longest: float) -> None:
    """The wait is b/2 + U(0, b/2), with b from 1 s doubling to 120 s."""
    assert backoff(failures, 0.0) == longest / 2
    assert backoff(failures, 1.0) == longest


def test_an_outage_holds_back_every_secret() -> None:
    """However many secrets and ttls there are, an outage costs one request a backoff step."""
    keys = {f"s{number}": Lifetime(1.0 + number, 1e6) for number in range(100)}
    made = tracking(Schedule(lambda: 1.0), keys)
    now = 1000.0
    assert len(made.due(now)) == 100
    for step in (1.0, 2.0, 4.0):
        made.unavailable(made.keys, DOWN, now)
        assert made.next_at() == now + step
        assert made.due(math.nextafter(now + step, 0.0)) == []
        now += step
        assert len(made.due(now)) == 100


@pytest.mark.parametrize("seed", range(20))
def test_an_hour_without_the_vault_costs_at_most_60_requests(seed: int) -> None:
    """An hour's outage is at most one request a minute."""
    draws = random.Random(seed)
    made = Schedule(draws.random)
    keys = {f"s{number}": Lifetime(5.0, 1e6) for number in range(20)}
    begin(made, keys)
    now, requests = made.next_at(), 0
    while now < 3600.0:
        assert made.due(now)
        requests += 1
        made.unavailable(made.keys, DOWN, now)
        now = made.next_at()
    assert 30 <= requests <= 60


@pytest.mark.parametrize(("asked", "waits"), [(None, 1.0), (0.5, 1.0), (30.0, 30.0)])
def test_retry_after_counts_if_it_is_longer(asked: float | None, waits: float) -> None:
    """A Retry-After that is longer than the backoff is kept, for all secrets or for one."""
    limited = RateLimitedError("slow down", retry_after=asked)
    whole = schedule(chance=1.0)
    whole.unavailable(whole.keys, limited, 1000.0)
    assert whole.next_at() == 1000.0 + waits
    single = schedule(chance=1.0)
    single.failed({"a": limited}, 1000.0)
    assert single.next_at() == 1000.0 + waits


@pytest.mark.parametrize("max_stale", [1000.0, 50.0])
@pytest.mark.parametrize("is_whole", [True, False])
def test_it_is_asked_once_more_before_it_expires(max_stale: float, is_whole: bool) -> None:
    """A Retry-After of an hour does not outlast max_stale; after that last chance it counts."""
    limited = RateLimitedError("slow down", retry_after=3600.0)
    made = schedule(chance=1.0, a=Lifetime(10.0, max_stale))

    def fail(now: float) -> float:
        if is_whole:
            made.unavailable(made.keys, limited, now)
        else:
            made.failed({"a": limited}, now)
        return made.next_at()

    chance = max_stale - min(10.0, max_stale / 10)
    assert fail(9.0) == chance
    assert made.due(chance) == ["a"]
    assert fail(chance) == chance + 3600.0


def test_what_failed_out_of_turn_stays_due() -> None:
    """A refresh that nobody had planned and that fails is tried again after the backoff."""
    made = schedule(chance=1.0, a=USUAL, b=USUAL)
    made.unavailable(["a"], DOWN, 10.0)
    assert made.next_at() == 11.0
    assert made.due(11.0) == ["a"]


def test_overdue_is_stale() -> None:
    """What should have been refreshed is not fresh, whatever went wrong; worse states stay."""
    made = schedule(a=Lifetime(10.0, 50.0))
    assert made.state(20.0, is_overdue=True) == "stale"
    assert made.state(50.0, is_overdue=True) == "expired"


@pytest.mark.parametrize(("now", "is_outdated"), [(299.9, False), (300.0, True)])
def test_outdated_is_older_than_the_ttl(now: float, is_outdated: bool) -> None:
    """At exactly its ttl a secret is."""
    assert schedule().is_outdated(now) is is_outdated
    absent = Schedule(lambda: 0.0)
    absent.track({"a": USUAL}, {"a": 0.0}, 0.0, absent={"a"})
    assert not absent.is_outdated(now)


def test_a_bad_secret_holds_back_no_other() -> None:
    """A denied secret has a backoff of its own; the others keep their times."""
    made = schedule(chance=1.0, bad=Lifetime(100.0, 1e6), good=Lifetime(100.0, 1e6))
    read(made, "good", now=95.0)
    made.failed({"bad": AccessDeniedError("bad")}, 95.0)
    assert made.due(96.0) == ["bad"]
    made.failed({"bad": AccessDeniedError("bad")}, 96.0)
    assert made.due(97.9) == []
    assert made.due(190.0) == ["bad", "good"]


def test_success_ends_the_backoff() -> None:
    """After an outage the first failure counts as the first again."""
    made = schedule(chance=1.0)
    for now in (300.0, 301.0, 303.0):
        made.unavailable(made.keys, DOWN, now)
    read(made, "a", now=307.0)
    made.unavailable(made.keys, DOWN, 600.0)
    assert made.next_at() == 601.0


def test_the_oldest_secret_gives_the_age() -> None:
    """The age counts per secret; a refresh renews only what it has got."""
    made = schedule(a=USUAL, b=USUAL)
    read(made, "a", now=100.0)
    made.failed({"b": DOWN}, 100.0)
    assert made.age(150.0) == 150.0
    read(made, "b", now=160.0)
    assert made.age(160.0) == 60.0


def test_a_secret_that_does_not_exist_has_no_age() -> None:
    """An optional secret that is not there neither ages nor expires, and is asked for again."""
    made = Schedule(lambda: 0.0)
    made.track({"a": USUAL}, {"a": 50.0}, 50.0, absent={"a"})
    assert (made.age(1e9), made.expires_at(), made.next_at()) == (0.0, math.inf, 65.0)
    made.succeeded({"a": 275.0}, 275.0, absent={"a"})
    assert (made.age(1e9), made.expires_at(), made.next_at()) == (0.0, math.inf, 500.0)


def test_nothing_to_follow_is_never_due() -> None:
    """Settings without secrets are fresh for ever."""
    made = schedule()
    begin(made, {})
    assert (made.next_at(), made.expires_at()) == (math.inf, math.inf)
    assert (made.state(1e9), made.age(1e9), made.keys) == ("fresh", 0.0, [])


def test_it_expires_at_exactly_max_stale() -> None:
    """The first secret past its max_stale expires the whole, at exactly that age."""
    made = schedule(a=Lifetime(10.0, 50.0), b=USUAL)
    assert made.expires_at() == 50.0
    assert made.state(math.nextafter(50.0, 0.0)) == "fresh"
    assert made.state(50.0) == "expired"


def test_within_its_ttl_nothing_is_stale() -> None:
    """max_stale=0 means no stale answers, not no answers."""
    assert schedule(a=Lifetime(300.0, 0.0)).expires_at() == 300.0


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (DOWN, "stale"),
        (RateLimitedError("slow down"), "stale"),
        (ResponseError("not JSON"), "stale"),
        (FieldNotFoundError("a", "x", available=["y"]), "stale"),
        (ValueError(), "stale"),
        (AccessDeniedError("a"), "denied"),
        (SecretNotFoundError("a"), "denied"),
        (VersionNotFoundError("a", 1), "denied"),
        (AuthenticationError("no"), "denied"),
    ],
)
def test_the_state_tells_a_refusal_from_a_failure(error: Exception, state: str) -> None:
    """``denied`` is the vault's own 401, 403 or 404; all else that fails is ``stale``."""
    single = schedule()
    single.failed({"a": error}, 10.0)
    whole = schedule()
    whole.unavailable(whole.keys, error, 10.0)
    assert (single.state(10.0), whole.state(10.0)) == (state, state)
    assert single.error() is whole.error() is error
    read(single, "a", now=20.0)
    assert (single.state(20.0), single.error()) == ("fresh", None)


def test_the_state_is_that_of_the_worst() -> None:
    """Expired comes before denied, and denied before stale."""
    made = schedule(a=Lifetime(10.0, 50.0), b=Lifetime(10.0, 50.0), c=USUAL)
    made.failed({"a": DOWN}, 10.0)
    assert made.state(20.0) == "stale"
    made.failed({"b": AccessDeniedError("b")}, 20.0)
    assert made.state(20.0) == "denied"
    assert made.state(50.0) == "expired"


def test_hastening_brings_forward_and_never_puts_off() -> None:
    """News of a change make a secret due sooner; of one that is not followed they do nothing."""
    made = schedule(a=USUAL, b=USUAL)
    made.hasten(["a", "elsewhere"], 10.0)
    assert made.due(10.0) == ["a"]
    made.hasten(["a", "b"], 1e6)
    assert made.due(225.0) == ["a", "b"]


def test_what_was_asked_for_has_to_be_read_since() -> None:
    """An older reading leaves it due, a newer one ends that; a plain refresh asks for nothing."""
    made = schedule(a=USUAL, b=USUAL)
    made.hasten(["a", "elsewhere"], 100.5, since=100.0)
    made.hasten(["b"], 100.5)
    assert made.since(["a", "b", "elsewhere"]) == {"a": 100.0}
    read(made, "a", now=100.2, read_at=99.9)
    assert (made.since(["a"]), made.next_at(), made.age(100.2)) == ({"a": 100.0}, 100.5, 100.2)
    assert made.due(100.5) == ["a", "b"]
    made.hasten(["a"], 100.5, since=50.0)  # heard before
    assert made.since(["a"]) == {"a": 100.0}
    read(made, "a", "b", now=100.6, read_at=100.0)
    assert (made.since(["a", "b"]), made.next_at()) == ({}, 325.0)


def test_what_could_not_be_read_is_still_asked_for() -> None:
    """A denial, an outage and a value that does not fit: only the last was read."""
    made = schedule(a=USUAL, b=USUAL)
    made.hasten(["a", "b"], math.inf, since=100.0)
    made.failed({"a": AccessDeniedError("a")}, 100.0)
    made.unavailable(["a", "b"], DOWN, 100.0)
    assert made.since(["a", "b"]) == {"a": 100.0, "b": 100.0}
    made.rejected({"a": ValueError()}, {"a": 101.0}, 101.0)
    assert made.since(["a", "b"]) == {"b": 100.0}


def test_an_old_reading_of_what_was_asked_for_is_no_busy_loop() -> None:
    """It stays due, but not at once."""
    made = schedule()
    made.hasten(["a"], 10.0, since=10.0)
    read(made, "a", now=20.0, read_at=5.0)
    assert made.next_at() == 20.1


@pytest.mark.parametrize(("chance", "due_at"), [(0.0, 225.0), (0.5, 562.5), (1.0, 900.0)])
def test_without_the_store_a_fleet_spreads(chance: float, due_at: float) -> None:
    """All of it would ask at the times that the store has made one: ttl × U(0.75, 3) instead."""
    made = schedule(chance=chance)
    made.spread(100.0)
    assert made.next_at() == due_at
    read(made, "a", now=1000.0)
    assert made.next_at() == 1000.0 + due_at
    made.is_spread = False
    read(made, "a", now=2000.0)
    assert made.next_at() == pytest.approx(2000.0 + 225.0 + 60.0 * chance)


def test_it_spreads_once() -> None:
    """To be told again puts nothing off any further; what has passed meanwhile is due now."""
    draws = iter([0.0, 0.0, 0.0, 1.0])
    made = tracking(Schedule(lambda: next(draws)), {"a": USUAL})
    made.spread(250.0)
    made.spread(250.0)
    assert made.next_at() == 250.0


@pytest.mark.parametrize(("max_stale", "chance"), [(400.0, 390.0), (0.0, 290.0)])
def test_it_spreads_no_further_than_a_last_chance(max_stale: float, chance: float) -> None:
    """However late the draw, it is asked for before it expires."""
    made = schedule(chance=1.0, a=Lifetime(300.0, max_stale))
    made.spread(0.0)
    assert made.next_at() == chance
    assert made.state(chance) != "expired"


def test_what_was_put_off_comes_back() -> None:
    """Once there is a store again nothing is older than its ttl without a sign."""
    made = schedule(chance=1.0)
    made.spread(0.0)
    assert made.next_at() == 900.0
    made.spread(10.0, is_needed=False)
    assert made.next_at() == 285.0
    made.spread(10.0)
    made.spread(500.0, is_needed=False)
    assert (made.next_at(), made.due(500.0)) == (500.0, ["a"])


def test_a_secret_that_comes_up_while_it_spreads_has_a_last_chance_too() -> None:
    """It expires from now on, though it did not while there was none."""
    made = schedule(chance=1.0, a=Lifetime(300.0, 400.0))
    made.succeeded({"a": 0.0}, 0.0, absent={"a"})
    made.spread(0.0)
    assert made.next_at() == 900.0
    read(made, "a", now=0.0)
    assert made.next_at() == 390.0


def test_what_is_put_off_is_stale_past_its_ttl() -> None:
    """Nothing has failed, but fresh is what is younger than its ttl."""
    made = schedule(chance=1.0)
    made.spread(0.0)
    assert (made.state(299.0), made.age(299.0), made.due(299.0)) == ("fresh", 299.0, [])
    assert (made.state(300.0), made.age(300.0), made.due(300.0)) == ("stale", 300.0, [])


def test_only_what_waits_for_its_ttl_is_put_off() -> None:
    """Not what was announced, and not what is tried again after a failure."""
    made = schedule(chance=1.0, a=USUAL, b=USUAL, c=USUAL)
    made.hasten(["a"], 10.5, since=10.0)
    made.failed({"b": DOWN}, 10.0)
    made.spread(10.0)
    assert made.due(11.0) == ["a", "b"]


def test_a_forked_child_is_spread_too() -> None:
    """It has a draw of its own."""
    parent, child = schedule(chance=0.0), schedule(chance=1.0)
    child.inherit(parent, 0.0)
    assert (child.is_spread, child.next_at()) == (False, 285.0)
    parent.spread(0.0)
    child.inherit(parent, 0.0)
    assert (child.is_spread, child.next_at()) == (True, 900.0)


def test_what_others_bring_ends_an_outage_only_as_a_whole() -> None:
    """While one secret is due, the vault is away, and is asked no sooner for it."""
    made = schedule(chance=1.0, a=USUAL, b=USUAL)
    made.unavailable(["a", "b"], DOWN, 300.0)
    made.succeeded({"a": 300.0}, 300.5, absent=(), has_answered=False)
    assert (made.state(300.5), made.error(), made.next_at()) == ("stale", DOWN, 301.0)
    made.succeeded({"b": 300.0}, 300.6, absent=(), has_answered=False)
    assert (made.state(300.6), made.error(), made.next_at()) == ("fresh", None, 585.0)


def test_what_is_followed_keeps_its_times() -> None:
    """New settings from one changed secret do not renew the age of the others."""
    made = schedule(a=USUAL, b=USUAL)
    made.track({"b": USUAL, "c": USUAL}, {"b": 0.0, "c": 100.0}, 100.0, absent=())
    assert made.keys == ["b", "c"]
    assert made.age(100.0) == 100.0
    assert made.due(225.0) == ["b", "c"]
    read(made, "a", now=1.0)
    made.failed({"a": DOWN}, 1.0)
    assert made.keys == ["b", "c"]


def test_reads_out_of_turn_wait_longer_while_they_bring_nothing() -> None:
    """Logins that go on being refused do not make a read each; a change ends the patience."""
    made = schedule(chance=1.0)
    assert made.may_ask(0.0)
    for now, wait in ((0.0, 0.1), (10.0, 0.2), (20.0, 0.4)):
        made.asked_in_vain(now)
        assert not made.may_ask(now + wait * 0.99)
        assert made.may_ask(now + wait)
    made.changed()
    assert made.may_ask(20.0)
    made.unavailable(made.keys, DOWN, 20.0)
    assert not made.may_ask(20.9)


def test_patience_starts_anew_after_a_quiet_spell() -> None:
    """What was refused in vain an hour ago does not make the next refused login wait."""
    made = schedule(chance=1.0)
    for _ in range(10):
        made.asked_in_vain(0.0)
    assert not made.may_ask(51.0)
    made.asked_in_vain(3600.0)
    assert made.may_ask(3600.1)


@pytest.mark.parametrize("error", [DOWN, RateLimitedError("wait", retry_after=None)])
def test_the_first_failure_of_all_waits_half_a_second_at_least(error: Exception) -> None:
    """Also where nothing has ever worked, or nothing is followed, or the vault asks for nothing."""
    made = Schedule(lambda: 0.0)
    begin(made, {"a": USUAL})
    made.unavailable(["a"], error, 10.0)
    assert made.next_at() == 10.5
    alone = Schedule(lambda: 0.0)
    begin(alone, {"a": USUAL})
    assert alone.state(10.0) == "fresh"
    alone.failed({"a": error}, 10.0)
    assert alone.next_at() == 10.5
    empty = Schedule(lambda: 0.0)
    empty.unavailable([], error, 10.0)
    assert (empty.may_ask(10.4), empty.may_ask(10.5)) == (False, True)


def test_an_outage_is_over_sooner_for_what_expires_first() -> None:
    """All are asked for again when the first of them has its last chance."""
    made = schedule(chance=1.0, short=Lifetime(10.0, 20.0), long=USUAL)
    for _ in range(10):
        made.unavailable(made.keys, DOWN, 10.0)
    assert made.next_at() == 18.0


def test_the_vault_is_away_from_a_failure_to_an_answer() -> None:
    """One answer of its own ends the outage, whatever is still due."""
    made = schedule(a=USUAL, b=USUAL)
    assert not made.is_away
    made.unavailable(["a", "b"], DOWN, 10.0)
    assert made.is_away
    read(made, "a", now=10.0)
    assert not made.is_away
    assert made.due(10.0) == ["b"]


def test_what_is_due_at_this_very_moment_is_still_due() -> None:
    """What others have brought is not all then."""
    made = schedule(a=USUAL, b=USUAL)
    made.unavailable(["b"], DOWN, 10.0)
    made.succeeded({"a": 10.0}, 10.0, absent=(), has_answered=False)
    assert made.is_away


def test_a_value_that_does_not_fit_makes_the_state_invalid() -> None:
    """Until one comes that fits; the error is that of the secret."""
    made, error = schedule(a=USUAL, b=USUAL), ValueError()
    made.rejected({"a": error}, {"a": 10.0}, 10.0)
    assert made.state(10.0) == "invalid"
    assert (made.error_of("a"), made.error_of("b"), made.error_of("c")) == (error, None, None)
    assert made.errors() == {"a": error}
    made.failed({"a": DOWN}, 11.0)
    assert made.state(11.0) == "stale"
    made.rejected({"a": error}, {"a": 12.0}, 12.0)
    read(made, "a", now=13.0)
    assert (made.state(13.0), made.errors()) == ("fresh", {})


def test_each_secret_has_its_own_error_or_that_of_the_vault() -> None:
    """Its own comes first."""
    made, denied = schedule(a=USUAL, b=USUAL), AccessDeniedError("a")
    made.failed({"a": denied}, 10.0)
    made.unavailable(["b"], DOWN, 10.0)
    assert made.errors() == {"a": denied, "b": DOWN}


def test_a_forked_child_knows_what_failed() -> None:
    """It has the parent's errors, and reads again all the same."""
    parent, child = schedule(a=USUAL, b=USUAL), schedule(a=USUAL, b=USUAL)
    error = ValueError()
    parent.rejected({"a": error}, {"a": 10.0}, 10.0)
    child.inherit(parent, 20.0)
    assert child.state(20.0) == "invalid"
    assert child.errors() == {"a": error}
    assert child.due(20.5) == ["a"]


def test_a_new_class_may_give_a_secret_another_lifetime() -> None:
    """It counts for what is read from then on, and for when it expires."""
    made = schedule(a=USUAL)
    made.track({"a": Lifetime(100.0, 0.0)}, {"a": 0.0}, 10.0, absent=())
    assert made.expires_at() == 100.0
    read(made, "a", now=50.0)
    assert made.next_at() == 125.0


@pytest.mark.parametrize(("quiet", "waits"), [(120.0, 0.4), (120.1, 0.1)])
def test_a_quiet_spell_is_longer_than_the_longest_backoff(quiet: float, waits: float) -> None:
    """It counts from when the patience was over, at any time of the clock."""
    made = schedule(chance=1.0)
    made.asked_in_vain(1000.0)
    made.asked_in_vain(1000.0)
    now = 1000.0 + 0.2 + quiet
    made.asked_in_vain(now)
    assert made.may_ask(now + waits)
    assert not made.may_ask(now + waits * 0.9)
