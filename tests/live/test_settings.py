"""LiveSettings as an application uses it, on a real vault and real threads."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeAlias

import pytest
from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, model_validator

from tests.live.rig import LONG, VERY_LONG, Clock, eventually, heard, reads, reasons, sockets_of
from vaultconfig import Change, LiveSettings, VaultConfigDict, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import (
    AccessDeniedError,
    ConfigurationError,
    SettingsExpiredError,
    UnresolvedSettingsError,
    VaultUnavailableError,
)
from vaultconfig.live.refresher import Seams

CANARY = "hunter2-canary"


class Server(BaseModel):
    host: str
    port: int = 5432


class Settings(VaultSettings):
    name: str = "app"
    key: Annotated[SecretStr, "vault:api#key"]
    database: Annotated[Server, "vault:db"] | None = None


Live: TypeAlias = LiveSettings[Settings]


class LoginRefused(Exception):
    """What a database says to an old password."""


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"host": "h1"})
    # Subscriptions have tests of their own; here they would make requests of their own.
    vault_env.fault(path="/v1/subscriptions", status=404)
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", str(VERY_LONG))
    return vault_env


@pytest.fixture
def live(clock: Clock) -> Iterator[Live]:
    """Settings that nothing refreshes unless a test puts the clock forward."""
    live = LiveSettings(Settings, Seams(clock=clock))
    yield live
    live.close()


def key(settings: Settings) -> str:
    return settings.key.get_secret_value()


def our_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name in OURS]


def refresh_in_background(live: Live, clock: Clock) -> None:
    """Let the ttl of 300 s be over, as far as the jitter goes."""
    clock.advance(299.0)
    assert live._worker is not None
    live._worker.wake()


OURS = ("vaultconfig-refresh", "vaultconfig-watch")


def test_making_one_does_nothing(vault: DevServer, live: Live) -> None:
    """It may stand at the top of a module: no request, no thread."""
    assert (list(vault.requests), our_threads()) == ([], [])
    assert repr(live) == "LiveSettings(Settings)"


@pytest.mark.parametrize("use", ["current", "health", "refresh", "retry_once"])
def test_before_the_start_it_says_so(live: Live, use: str) -> None:
    """Whatever needs settings asks for start()."""
    uses: dict[str, Callable[[], object]] = {
        "current": lambda: live.current,
        "health": live.health,
        "refresh": live.refresh,
        "retry_once": lambda: live.retry_once(lambda: None, on=OSError),
    }
    with pytest.raises(ConfigurationError, match=r"of Settings have not been loaded: call start"):
        uses[use]()


def test_a_start_that_fails_starts_nothing(vault: DevServer, live: Live) -> None:
    """It raises, leaves no thread, and can be called again."""
    vault.delete("api")
    with pytest.raises(UnresolvedSettingsError):
        live.start()
    assert our_threads() == []
    with pytest.raises(ConfigurationError):
        _ = live.current
    vault.put("api", {"key": "k1"})
    live.start()
    assert key(live.current) == "k1"


def test_start_does_nothing_twice(vault: DevServer, live: Live) -> None:
    """One load and one thread, however often it is called."""
    for _ in range(3):
        live.start()
    assert (len(reads(vault)), our_threads().count("vaultconfig-refresh")) == (1, 1)


def test_load_has_no_thread_until_somebody_reads(live: Live) -> None:
    """What is loaded before a fork is refreshed by those who read it."""
    live.load()
    assert our_threads() == []
    assert key(live.current) == "k1"
    assert "vaultconfig-refresh" in our_threads()


def test_a_change_shows_within_the_ttl(vault: DevServer, clock: Clock) -> None:
    """Without subscriptions the ttl is how old a value may be."""
    with LiveSettings(Settings, Seams(clock=clock), name="mine") as live:
        vault.put("api", {"key": "k2"})
        refresh_in_background(live, clock)
        eventually(lambda: key(live.current) == "k2")
        assert live.current.name == "mine"
        eventually(lambda: live.health().age == 0.0)  # it follows a moment later
    eventually(lambda: our_threads() == [])


def test_settings_are_swapped_as_a_whole(vault: DevServer, live: Live) -> None:
    """Whoever reads while it changes sees the old or the new, never some of each."""

    class Pair(VaultSettings):
        key: Annotated[str, "vault:api#key"]
        host: Annotated[str, "vault:db#host"]

    seen: set[tuple[str, str]] = set()
    done = threading.Event()
    with LiveSettings(Pair) as pair, ThreadPoolExecutor(4) as pool:

        def read() -> None:
            while not done.is_set():
                settings = pair.current
                seen.add((settings.key, settings.host))

        for _ in range(4):
            pool.submit(read)
        for version in range(2, 12):
            vault.put("api", {"key": f"k{version}"})
            vault.put("db", {"host": f"h{version}"})
            pair.refresh()
        done.set()
    assert {(k[1:], h[1:]) for k, h in seen} <= {(str(n), str(n)) for n in range(1, 12)}


class TestListeners:
    """on_change and on_error."""

    def test_a_change_is_told_once(self, vault: DevServer, live: Live) -> None:
        """One call a change, with what it was and what it is."""
        live.start()
        changes: list[Change[Settings]] = []
        live.on_change(changes.append)
        live.refresh()
        vault.put("api", {"key": "k2"})
        live.refresh()
        live.refresh()
        heard(live)
        (change,) = changes
        assert set(change.fields) == {"key"}
        assert change.versions == {"api": 2}
        assert (key(change.old), key(change.new)) == ("k1", "k2")

    def test_concurrent_refreshes_tell_once(self, vault: DevServer, live: Live) -> None:
        """A refresh that many share is told of once, too."""
        live.start()
        changes: list[Change[Settings]] = []
        live.on_change(changes.append)
        vault.put("api", {"key": "k2"})
        with ThreadPoolExecutor(16) as pool:
            for future in [pool.submit(live.refresh) for _ in range(16)]:
                future.result(LONG)
        heard(live)
        assert [key(change.new) for change in changes] == ["k2"]

    def test_changes_are_told_in_their_order(self, vault: DevServer, live: Live) -> None:
        """A slow listener is not overtaken by the next change, wherever that was found."""
        live.start()
        told: list[str] = []
        entered, go_on = threading.Event(), threading.Event()

        def slowly(change: Change[Settings]) -> None:
            entered.set()
            go_on.wait(LONG)
            told.append(key(change.new))

        live.on_change(slowly)
        vault.put("api", {"key": "k2"})
        live.refresh()
        assert entered.wait(LONG)
        vault.put("api", {"key": "k3"})
        live.refresh()
        assert key(live.current) == "k3"
        go_on.set()
        heard(live)
        assert told == ["k2", "k3"]

    @pytest.mark.parametrize(
        ("fields", "is_told"),
        [
            (None, True),
            ({"database"}, True),
            ({"database.port"}, True),
            ({"database.host"}, False),
            ({"key", "name"}, False),
            ((), False),
        ],
    )
    def test_fields_choose(
        self, vault: DevServer, live: Live, fields: set[str] | None, is_told: bool
    ) -> None:
        """A field stands for what is inside and around it."""
        live.start()
        changes: list[Change[Settings]] = []
        live.on_change(changes.append, fields=fields)
        vault.put("db", {"host": "h1", "port": 5433})
        live.refresh()
        heard(live)
        assert bool(changes) is is_told

    @pytest.mark.parametrize(
        ("field", "message"),
        [
            ("databse", "Settings has no field 'databse': it has name, key, database"),
            ("database.prt", "Server has no field 'prt': it has host, port"),
        ],
    )
    def test_a_field_that_is_none_is_refused(self, live: Live, field: str, message: str) -> None:
        """A misspelt name would never be told of anything."""
        with pytest.raises(ConfigurationError, match=message):
            live.on_change(print, fields={"key", field})

    def test_what_is_no_model_may_hold_anything(self, live: Live) -> None:
        """Below a field that is no model no name is unknown."""
        live.on_change(print, fields={"name.whatever"})

    def test_a_listener_that_raises_harms_nothing(
        self, vault: DevServer, live: Live, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is reported without its words, and the others are told all the same."""
        live.start()
        told: list[Any] = []
        boom = ValueError(CANARY)

        def broken(_: object) -> None:
            raise boom

        live.on_change(broken)
        live.on_change(told.append)
        live.on_error(broken)
        live.on_error(told.append)
        vault.put("api", {"key": "k2"})
        live.refresh()
        heard(live)
        assert told[0] is boom
        assert isinstance(told[1], Change)
        assert key(live.current) == "k2"
        lines = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
        assert len(lines) == 2
        assert all("broken (" in line and "raised ValueError" in line for line in lines)
        assert CANARY not in caplog.text

    def test_listeners_may_use_the_settings(self, vault: DevServer, live: Live) -> None:
        """current, refresh and health inside a listener block nobody, themselves included."""
        live.start()
        seen: list[str] = []

        def use(change: Change[Settings]) -> None:
            seen.append(key(live.current))
            if len(seen) == 1:
                vault.put("api", {"key": "k3"})
            live.refresh()
            live.health()

        live.on_change(use)
        vault.put("api", {"key": "k2"})
        live.refresh()
        heard(live)
        assert seen == ["k2", "k3"]

    def test_a_listener_may_close(self, vault: DevServer, live: Live, clock: Clock) -> None:
        """close() in the thread that refreshes does not wait for itself."""
        closed = threading.Event()
        vault.put("api", {"key": "k2"})
        live.on_change(lambda _: live.close())
        live.on_change(lambda _: closed.set())
        live.start()
        vault.put("api", {"key": "k3"})
        refresh_in_background(live, clock)
        assert closed.wait(LONG)
        eventually(lambda: our_threads() == [])

    def test_an_error_is_told_each_time(self, vault: DevServer, live: Live) -> None:
        """on_error hears of each failed refresh, and of nothing else."""
        live.start()
        errors: list[Exception] = []
        live.on_error(errors.append)
        live.refresh()
        vault.deny("api")
        for _ in range(2):
            with pytest.raises(UnresolvedSettingsError):
                live.refresh()
        heard(live)
        assert [reasons(error) for error in errors] == [[AccessDeniedError]] * 2


class TestRefresh:
    """refresh()."""

    def test_it_raises_and_leaves_traces(
        self, vault: DevServer, live: Live, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What failed is raised, logged, and shown by health, with the reason and the next try."""
        live.start()
        vault.fault(code="service_unavailable")
        with pytest.raises(VaultUnavailableError):
            live.refresh()
        heard(live)
        health = live.health()
        assert health.state == "stale"
        assert "service_unavailable" in str(health.last_error)
        assert "not refreshed" in caplog.text
        assert len(reads(vault)) == 2
        vault.clear_faults()
        with caplog.at_level(logging.INFO):
            live.refresh()
            heard(live)
        assert "fresh again" in caplog.text
        assert (live.health().state, live.health().last_error) == ("fresh", None)

    def test_a_failure_is_tried_again_soon(
        self, vault: DevServer, live: Live, clock: Clock
    ) -> None:
        """A refresh that failed out of turn does not wait for the ttl: the thread is woken."""
        live.start()
        vault.put("api", {"key": "k2"})
        vault.fault(code="service_unavailable", times=1)
        with pytest.raises(VaultUnavailableError):
            live.refresh()
        next_refresh = live.health().next_refresh
        assert next_refresh is not None
        assert next_refresh <= 1.0
        clock.advance(1.0)
        eventually(lambda: key(live.current) == "k2")

    def test_errors_are_not_shared_between_threads(self, vault: DevServer, live: Live) -> None:
        """Who raises gets an exception of its own, so that tracebacks do not pile up."""
        live.start()
        vault.deny("api")
        caught: list[BaseException] = []
        live.on_error(caught.append)
        with pytest.raises(UnresolvedSettingsError) as raised:
            live.refresh()
        heard(live)
        assert raised.value is not caught[0]
        assert caught[0].__traceback__ is None

    def test_values_that_do_not_fit_are_raised(self, vault: DevServer, live: Live) -> None:
        """pydantic's own error, without input, and the old settings stay."""
        live.start()
        vault.put("db", {"host": "h1", "port": CANARY})
        with pytest.raises(ValidationError) as raised:
            live.refresh()
        assert CANARY not in f"{raised.value} {raised.value.errors()}"
        assert live.current.database == Server(host="h1")

    def test_it_is_one_round_trip(self, vault: DevServer, live: Live) -> None:
        """All paths together, whether due or not."""
        live.start()
        live.refresh()
        assert reads(vault) == [("api", "db")] * 2


class TestRetryOnce:
    """retry_once()."""

    def connect(self, live: Live, valid: str) -> str:
        if key(live.current) != valid:
            raise LoginRefused
        return valid

    def test_a_refused_login_is_tried_again(self, vault: DevServer, live: Live) -> None:
        """The call fails, a refresh finds the new value, and the call is made once more."""
        live.start()
        vault.put("api", {"key": "k2"})
        assert live.retry_once(lambda: self.connect(live, "k2"), on=LoginRefused) == "k2"
        assert len(reads(vault)) == 2

    def test_where_nothing_has_changed_it_is_not(self, vault: DevServer, live: Live) -> None:
        """Without a change the error is the call's own, and there is no second call."""
        live.start()
        calls: list[None] = []

        def connect() -> None:
            calls.append(None)
            raise LoginRefused

        with pytest.raises(LoginRefused):
            live.retry_once(connect, on=(LoginRefused, OSError))
        assert (len(calls), len(reads(vault))) == (1, 2)

    def test_a_second_refusal_is_the_last(self, vault: DevServer, live: Live) -> None:
        """Once more means once."""
        live.start()
        vault.put("api", {"key": "k2"})
        calls: list[str] = []

        def connect() -> None:
            calls.append(key(live.current))
            raise LoginRefused

        with pytest.raises(LoginRefused) as raised:
            live.retry_once(connect, on=LoginRefused)
        assert calls == ["k1", "k2"]
        assert raised.value.__context__ is None

    def test_other_errors_pass(self, vault: DevServer, live: Live) -> None:
        """What is not a refused login is none of our business."""
        live.start()
        with pytest.raises(ZeroDivisionError):
            live.retry_once(lambda: 1 // 0, on=LoginRefused)
        assert len(reads(vault)) == 1

    def test_a_failed_refresh_leaves_the_first_error(self, vault: DevServer, live: Live) -> None:
        """The caller sees what its own call raised; health says the rest."""
        live.start()
        vault.stop()
        with pytest.raises(LoginRefused) as raised:
            live.retry_once(lambda: self.connect(live, "k2"), on=LoginRefused)
        assert raised.value.__context__ is None
        assert live.health().state == "stale"

    def test_nobody_asks_for_what_is_there(self, vault: DevServer, live: Live) -> None:
        """Where somebody else has refreshed meanwhile no request is made."""
        live.start()
        vault.put("api", {"key": "k2"})
        calls: list[str] = []

        def connect() -> None:
            calls.append(key(live.current))
            if len(calls) == 1:
                live.refresh()
                raise LoginRefused

        live.retry_once(connect, on=LoginRefused)
        assert calls == ["k1", "k2"]
        assert len(reads(vault)) == 2

    def test_a_decorator(self, vault: DevServer, live: Live) -> None:
        """It hands arguments on, and keeps the name; it may stand before the start."""

        @live.retry_once(on=LoginRefused)
        def connect(valid: str, *, suffix: str) -> str:
            """Connect."""
            return self.connect(live, valid) + suffix

        live.start()
        vault.put("api", {"key": "k2"})
        assert connect("k2", suffix="!") == "k2!"
        assert (connect.__name__, connect.__doc__) == ("connect", "Connect.")

    def test_coroutines(self, vault: DevServer, live: Live) -> None:
        """Coroutine functions, decorated or called, and functions that return a coroutine."""
        live.start()

        async def connect(valid: str) -> str:
            await asyncio.sleep(0)
            return self.connect(live, valid)

        async def use() -> None:
            vault.put("api", {"key": "k2"})
            assert await live.retry_once(on=LoginRefused)(connect)("k2") == "k2"
            vault.put("api", {"key": "k3"})
            assert await live.retry_once(lambda: connect("k3"), on=LoginRefused) == "k3"
            with pytest.raises(LoginRefused):
                await live.retry_once(lambda: connect("k4"), on=LoginRefused)

        asyncio.run(use())
        assert len(reads(vault)) == 4

    def test_the_event_loop_goes_on(self, vault: DevServer, live: Live) -> None:
        """While the refresh of a coroutine waits for the vault, the loop does other things."""
        live.start()
        vault.put("api", {"key": "k2"})
        vault.hold("/v1/secrets/**")

        @live.retry_once(on=LoginRefused)
        async def connect() -> str:
            return self.connect(live, "k2")

        async def use() -> str:
            connecting = asyncio.create_task(connect())
            while len(reads(vault)) < 2:
                await asyncio.sleep(0.001)
            vault.release()
            return await connecting

        assert asyncio.run(asyncio.wait_for(use(), LONG)) == "k2"

    def test_a_predicate_says_which_errors_count(self, vault: DevServer, live: Live) -> None:
        """For drivers with one type of exception for everything."""
        live.start()
        vault.put("api", {"key": "k2"})

        def is_refusal(error: BaseException) -> bool:
            return isinstance(error, LoginRefused)

        assert live.retry_once(lambda: self.connect(live, "k2"), on=is_refusal) == "k2"
        with pytest.raises(ZeroDivisionError):
            live.retry_once(lambda: 1 // 0, on=is_refusal)

    def test_coroutines_share_one_thread(self, vault: DevServer, live: Live) -> None:
        """Fifty tasks that are rejected together leave the executor of the loop alone."""
        live.start()
        vault.put("api", {"key": "k2"})
        vault.hold("/v1/secrets/**")

        async def connect() -> str:
            return self.connect(live, "k2")

        async def use() -> list[str]:
            before = threading.active_count()
            retried = live.retry_once(on=LoginRefused)(connect)
            tasks = [asyncio.create_task(retried()) for _ in range(50)]
            while len(reads(vault)) < 2:
                await asyncio.sleep(0.001)
            assert threading.active_count() <= before + 2  # one is of the dev server
            vault.release()
            return await asyncio.gather(*tasks)

        assert set(asyncio.run(asyncio.wait_for(use(), LONG))) == {"k2"}
        assert len(reads(vault)) == 2

    def test_many_refused_logins_are_one_request(self, vault: DevServer, live: Live) -> None:
        """32 threads whose login is refused at once share one refresh."""
        live.start()
        vault.put("api", {"key": "k2"})
        together = threading.Barrier(32)
        refused = threading.local()

        def connect() -> str:
            if not hasattr(refused, "once"):
                refused.once = True
                together.wait(LONG)
                raise LoginRefused
            return key(live.current)

        with ThreadPoolExecutor(32) as pool:
            calls = [pool.submit(live.retry_once, connect, on=LoginRefused) for _ in range(32)]
            assert {call.result(LONG) for call in calls} == {"k2"}
        assert len(reads(vault)) == 2


class TestHealth:
    """health()."""

    def test_fresh(self, live: Live) -> None:
        """States, ages and versions, when the next refresh is due, and what the source is."""
        live.start()
        health = live.health()
        assert (health.state, health.last_error) == ("fresh", None)
        assert health.versions == {"api": 1, "db": 1}
        assert health.age == 0.0
        assert health.next_refresh is not None
        assert 0.05 * 300 <= health.next_refresh <= 0.95 * 300
        assert health.expires_in is not None
        assert 86_000 < health.expires_in <= 86_400
        assert health.source == "vault"

    def test_denied(self, vault: DevServer, live: Live) -> None:
        """A revoked token is the vault's own answer; what was read is served on."""
        live.start()
        vault.revoke(vault.token)
        with pytest.raises(Exception, match="token_revoked"):
            live.refresh()
        assert live.health().state == "denied"
        assert key(live.current) == "k1"

    def test_expired(self, vault: DevServer, live: Live, clock: Clock) -> None:
        """At exactly max_stale `current` raises and says why; a refresh mends it."""
        live.start()
        vault.stop()
        with pytest.raises(VaultUnavailableError):
            live.refresh()
        clock.advance(86_400.0)
        with pytest.raises(SettingsExpiredError, match=r"86400 s old, more than max_stale allows"):
            _ = live.current
        health = live.health()
        assert health.state == "expired"
        assert health.last_error is not None
        vault.start()
        live.refresh()
        assert key(live.current) == "k1"
        assert live.health().state == "fresh"

    def test_after_close(self, live: Live, clock: Clock) -> None:
        """Nothing is going to be refreshed any more, which the state shows in time."""
        live.start()
        live.close()
        assert (live.health().next_refresh, live.health().state) == (None, "fresh")
        assert key(live.current) == "k1"
        clock.advance(300.0)
        assert live.health().state == "stale"
        assert key(live.current) == "k1"


class TestEnd:
    """close(), and settings that nobody has any more."""

    def test_nothing_is_left(self, live: Live) -> None:
        """Thread, subscription and connections are gone."""
        before = sockets_of()
        live.start()
        assert len(sockets_of()) > len(before)
        live.close()
        eventually(lambda: our_threads() == [])
        eventually(lambda: len(sockets_of()) <= len(before))  # the server closes its ends later

    def test_a_request_that_hangs_is_ended(
        self, vault: DevServer, live: Live, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It ends though the vault never answers; and that is no failure to tell of."""
        live.start()
        errors: list[Exception] = []
        live.on_error(errors.append)
        vault.hold("/v1/secrets/**")
        refresh_in_background(live, clock)
        vault.wait_until_asked()
        live.close()
        eventually(lambda: our_threads() == [])
        assert (errors, caplog.messages) == ([], [])

    def test_a_load_that_hangs_does_not_hold_it_up(self, vault: DevServer, live: Live) -> None:
        """close() does not wait for a start() in another thread."""
        vault.hold("/v1/secrets/**")
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(live.start)
            vault.wait_until_asked()
            live.close()
            assert not starting.done()
            vault.release()
            starting.result(LONG)

    def test_others_keep_their_connections(self, vault: DevServer, live: Live) -> None:
        """Settings that share a vault are not disturbed when some of them are closed."""
        live.start()
        vault.hold("/v1/secrets/**")
        with LiveSettings(Settings, name="short-lived") as other, ThreadPoolExecutor(1) as pool:
            refreshing = pool.submit(live.refresh)
            vault.wait_until_asked()
            other.close()
            vault.release()
            assert refreshing.result(LONG) is None

    def test_it_can_be_started_again(self, vault: DevServer, live: Live) -> None:
        """After close() it goes on as if it had just been made; the cache of the process stays."""
        live.start()
        live.close()
        vault.put("api", {"key": "k2"})
        live.start()
        assert key(live.current) == "k1"
        live.refresh()
        assert key(live.current) == "k2"
        assert "vaultconfig-refresh" in our_threads()

    def test_closing_twice_or_unstarted_is_fine(self, live: Live) -> None:
        """close() never fails."""
        live.close()
        live.start()
        live.close()
        live.close()

    def test_settings_nobody_has_are_gone(self, vault: DevServer) -> None:
        """Dropped without close(), they are collected and their threads end by themselves."""
        dropped: LiveSettings[Settings] = LiveSettings(Settings)
        dropped.start()
        eventually(lambda: our_threads().count("vaultconfig-refresh") == 1)
        reference = weakref.ref(dropped)
        del dropped
        eventually(lambda: gc.collect() >= 0 and reference() is None)
        eventually(lambda: gc.collect() >= 0 and our_threads() == [])


class TestReaders:
    """Whoever reads never waits."""

    def test_32_readers_do_not_wait_for_a_slow_vault(
        self, vault: DevServer, live: Live, clock: Clock
    ) -> None:
        """While the only refresh waits every read is answered, and it is one request."""
        live.start()
        vault.put("api", {"key": "k2"})
        vault.hold("/v1/secrets/**")
        before = len(reads(vault))
        refresh_in_background(live, clock)
        vault.wait_until_asked()
        together = threading.Barrier(32)

        def read() -> set[str]:
            together.wait(LONG)
            return {key(live.current) for _ in range(100)}

        with ThreadPoolExecutor(32) as pool:
            readers = [pool.submit(read) for _ in range(32)]
            assert [reader.result(LONG) for reader in readers] == [{"k1"}] * 32
        vault.release()
        eventually(lambda: key(live.current) == "k2")
        assert len(reads(vault)) == before + 1

    def test_refused_readers_share_the_slow_refresh(
        self, vault: DevServer, live: Live, clock: Clock
    ) -> None:
        """While it runs, 32 whose login is rejected wait for it and make no other."""
        live.start()
        vault.put("api", {"key": "k2"})
        vault.hold("/v1/secrets/**")
        refresh_in_background(live, clock)
        vault.wait_until_asked()
        refused = threading.Barrier(32, action=vault.release)

        def connect() -> str:
            if key(live.current) == "k1":
                refused.wait(LONG)
                raise LoginRefused
            return key(live.current)

        with ThreadPoolExecutor(32) as pool:
            calls = [pool.submit(live.retry_once, connect, on=LoginRefused) for _ in range(32)]
            assert {call.result(LONG) for call in calls} == {"k2"}
        assert len(reads(vault)) == 2

    def test_a_read_takes_no_lock(self, live: Live) -> None:
        """Not even when every lock of ours is held by somebody else."""
        live.start()
        with (
            live._lock,
            live._loading,
            live._refresher._one_at_a_time,
            ThreadPoolExecutor(1) as pool,
        ):
            assert key(pool.submit(lambda: live.current).result(LONG)) == "k1"


class TestFixed:
    """Fields that the environment gives."""

    def test_they_are_named_once(
        self,
        vault: DevServer,
        live: Live,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A field that cannot rotate is named at the start, and not at each refresh."""
        monkeypatch.setenv("KEY", CANARY)
        live.start()
        vault.put("db", {"host": "h2"})
        live.refresh()
        told = [line for line in caplog.messages if "will not rotate" in line]
        assert told == ["not from the vault, so they will not rotate: key"]

    def test_with_everything_fixed_there_is_nothing_to_do(
        self, vault: DevServer, live: Live, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No request, no thread, and always fresh."""
        monkeypatch.setenv("KEY", "x")
        monkeypatch.setenv("DATABASE", '{"host": "x", "port": 1}')
        live.start()
        live.refresh()
        assert (list(vault.requests), our_threads()) == ([], [])
        health = live.health()
        assert (health.state, health.next_refresh, health.versions) == ("fresh", None, {})
        assert live._readable_until == math.inf


def test_an_instance_is_refused() -> None:
    """It is built anew at each change, so it takes a class."""
    with pytest.raises(ConfigurationError, match="not an instance: give it int"):
        LiveSettings(5)  # type: ignore[arg-type,type-var]  # what is refused


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ttl", r"Settings has no field ttl: it has name, key, database"),
        ("databse", r"no field databse: write database"),
        ("_env_fil", r"no field _env_fil: write _env_file"),
        ("_vault_enviroment", r"write _vault_environment"),
    ],
)
def test_a_keyword_that_is_no_field(name: str, told: str) -> None:
    """It would be ignored at each build, so it is an error at once."""
    with pytest.raises(ConfigurationError, match=told):
        LiveSettings(Settings, **{name: 5})


def test_keywords_that_a_class_may_use() -> None:
    """Fields, their aliases, options, and whatever an `__init__` or a validator may take."""

    class Aliased(VaultSettings):
        size: int = Field(1, validation_alias=AliasChoices("SIZE", "pool_size"))

    class Lenient(VaultSettings):
        model_config = VaultConfigDict(extra="allow")

    class Own(VaultSettings):
        def __init__(self, region: str) -> None:
            super().__init__()

    class Taking(VaultSettings):
        @model_validator(mode="before")
        @classmethod
        def take(cls, data: Any) -> Any:
            return data

    LiveSettings(Aliased, Size=1, pool_size=2, _env_file=None, _vault_environment="test")
    LiveSettings(Lenient, region="eu")
    LiveSettings(Own, region="eu")
    LiveSettings(Taking, region="eu")


def test_it_is_not_pickled(live: Live) -> None:
    """A process of a pool that is given one hears what to do."""
    with pytest.raises(TypeError, match="make them in each process"):
        pickle.dumps(live)
