"""Hosts that share a store: who asks the vault, who is served, and what is refused."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live.rig import eventually, reads, without_waiting
from tests.store.hosts import DAY, KEY, OTHER_KEY, Hosts, read, versions
from vaultconfig.devserver import DevServer
from vaultconfig.errors import (
    AccessDeniedError,
    AuthenticationError,
    SecretNotFoundError,
    VaultUnavailableError,
)
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.store import access
from vaultconfig.store.entries import News
from vaultconfig.store.sealing import Seal
from vaultconfig.store.shelf import PATIENCE, Swap
from vaultconfig.store.store import TURN
from vaultconfig.vaults.lifetime import Lifetime

TTL = 300.0
DB = SecretKey("db")
LIFE = {DB: Lifetime(TTL, DAY)}


class TestWhoAsks:
    def test_the_first_asks_for_all(self, hosts: Hosts) -> None:
        """The second host finds all in the store: a secret, a pin, and that there is none."""
        wanted = ("db#key", "db?version=1#key", "none?optional#key")
        found = {"db#key": "one", "db?version=1#key": "one", wanted[2]: SecretNotFoundError}
        assert read(hosts.host(), *wanted) == found
        asked = len(hosts.vault.requests)
        assert read(hosts.host(), *wanted) == found
        assert len(hosts.vault.requests) == asked

    def test_past_the_ttl_the_vault_is_asked(self, hosts: Hosts) -> None:
        """For what is due alone, and by one host."""
        hosts.vault.put("late", {"key": "late"})
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL - 1)
        read(hosts.host(), "late#key")
        hosts.clock.advance(1)
        read(hosts.host(), "db#key", "late#key")
        read(hosts.host(), "db#key", "late#key")
        assert reads(hosts.vault) == [("db",), ("late",), ("db",)]

    def test_a_forked_child_is_another_host(self, hosts: Hosts) -> None:
        """It is served from the store, by a connection of its own."""
        host = hosts.host()
        read(host, "db#key")
        child = host.in_child()
        assert child.store is not None
        assert child.store is not host.store
        assert read(child, "db#key") == {"db#key": "one"}
        assert reads(hosts.vault) == [("db",)]

    def test_what_is_missing_and_required_is_asked_for(self, hosts: Hosts) -> None:
        """It may have been created since: a start does not fail by what another one was told."""
        assert read(hosts.host(), "none#key") == {"none#key": SecretNotFoundError}
        hosts.vault.put("none", {"key": "now"})
        assert read(hosts.host(), "none#key") == {"none#key": "now"}

    def test_the_vault_first(self, hosts: Hosts) -> None:
        """As render has it: what is stored serves only what the vault can't give."""
        read(hosts.host(), "db#key")
        hosts.vault.put("db", {"key": "two"})
        host = hosts.host()
        lifetimes = {DB: Lifetime(TTL, DAY)}
        assert versions(host.read(lifetimes, deadline=5.0, vault_first=True)) == [2]
        hosts.vault.stop()
        assert versions(hosts.host().read(lifetimes, deadline=5.0, vault_first=True)) == [2]

    def test_one_asks_and_the_others_wait(self, hosts: Hosts) -> None:
        """Twelve that start at once are one request."""
        gate = hosts.vault.hold("/v1/secrets/**")
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(read(hosts.host(), "db#key")))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        gate.wait_until_asked()
        gate.release()
        for thread in threads:
            thread.join()
        assert found == [{"db#key": "one"}] * 12
        assert reads(hosts.vault) == [("db",)]

    def test_those_who_want_something_else_do_not_wait(self, hosts: Hosts) -> None:
        """A turn is for a set of secrets."""
        hosts.vault.put("late", {"key": "late"})
        gate = hosts.vault.hold("db")
        other = threading.Thread(target=read, args=(hosts.host(), "db#key"))
        other.start()
        gate.wait_until_asked()
        assert without_waiting(lambda: read(hosts.host(), "late#key")) == {"late#key": "late"}
        gate.release()
        other.join()

    def test_a_turn_is_given_up(self, hosts: Hosts) -> None:
        """The next one need not wait for the lease once the holder is done."""
        with hosts.store().turn([DB]) as is_ours:
            assert is_ours
            with hosts.store().turn([DB]) as is_theirs:
                assert not is_theirs
        with hosts.store().turn([DB]) as is_theirs:
            assert is_theirs

    def test_a_thread_that_has_the_turn_has_it(self, hosts: Hosts) -> None:
        """A signal handler that loads in the middle of a load does not wait for that one."""
        store = hosts.store()
        with store.turn([DB]), store.turn([DB]) as is_ours:
            assert is_ours

    def test_a_turn_that_somebody_has_planted_ends(self, hosts: Hosts) -> None:
        """It has no end of its own; whoever has waited longer than a turn lasts takes it."""
        store = hosts.store()
        assert store._access._shelf.swap({store._turn([DB]): Swap(None, b"planted")}, keep=DAY)
        for is_ours in (False, True):
            with store.turn([DB], store.look([DB])) as found:
                assert found is is_ours
            hosts.clock.advance(TURN + 0.1)
        with store.turn([DB], store.look([DB])) as found:
            assert found

    def test_a_slow_vault_is_worth_a_last_look(self, hosts: Hosts) -> None:
        """Whoever asks by itself after half the deadline, in vain, finds what another one got."""
        gate = hosts.vault.hold("/v1/secrets/**")
        first = threading.Thread(target=read, args=(hosts.host(), "db#key"))
        first.start()
        gate.wait_until_asked()
        found: list[Any] = []
        other = hosts.host()
        second = threading.Thread(target=lambda: found.append(read(other, "db#key", deadline=2.0)))
        second.start()
        gate.wait_until_asked()  # the second one, which has waited for one second
        hosts.store().write({DB: News(_secret(), hosts.clock() + hosts.wall, TTL, DAY)})
        second.join()
        gate.release()
        first.join()
        assert found == [{"db#key": "stored"}]

    def test_after_half_the_deadline_one_asks_by_oneself(self, hosts: Hosts) -> None:
        """Whatever has become of the one whose turn it is."""
        with hosts.store().turn([DB]):
            assert read(hosts.host(), "db#key", deadline=2.0) == {"db#key": "one"}


class TestOutage:
    def test_the_store_serves(self, hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
        """Thirty secrets and one that does not exist, hours past their ttl, with a warning."""
        names = [f"app/s{n}" for n in range(30)]
        for name in names:
            hosts.vault.put(name, {"key": name})
        wanted = [*(f"{name}#key" for name in names), "none?optional#key"]
        first = read(hosts.host(), *wanted)
        hosts.vault.stop()
        hosts.clock.advance(DAY - 1)
        assert read(hosts.host(), *wanted) == first
        assert "serving 31 secret(s) read up to 86399 s ago" in caplog.text

    def test_what_is_not_due_is_not_stale(self, hosts: Hosts, caplog: Any) -> None:
        """Beside what is: only that was served for want of the vault, and the log says why."""
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL)
        hosts.vault.put("late", {"key": "late"})
        read(hosts.host(), "late#key")
        hosts.vault.stop()
        lifetimes = {DB: Lifetime(TTL, DAY), SecretKey("late"): Lifetime(TTL, DAY)}
        found = hosts.host().read(lifetimes, deadline=5.0)
        assert isinstance(found[DB].outage, VaultUnavailableError)
        assert found[SecretKey("late")].outage is None
        assert "serving 1 secret(s) read up to 300 s ago: " in caplog.text

    @pytest.mark.usefixtures("few_tries")
    def test_past_max_stale_it_does_not(self, hosts: Hosts, caplog: Any) -> None:
        """The age limit is enforced when it is read; the log says why it is ignored."""
        read(hosts.host(), "db#key")
        hosts.vault.stop()
        hosts.clock.advance(DAY)
        with pytest.raises(VaultUnavailableError):
            read(hosts.host(), "db#key")
        assert "ignored: 1 older than max_stale" in caplog.text

    def test_a_reason_that_comes_back_is_told_again(self, hosts: Hosts, caplog: Any) -> None:
        """Looks that ignore the same entries tell it once; one that ignores nothing ends that."""
        read(hosts.host(), "db#key")
        hosts.clock.advance(20)
        store = hosts.store()
        for longest in (10.0, 10.0, DAY, DAY, 10.0, 10.0):
            store.read({DB: longest})
        assert caplog.text.count("ignored: 1 older than max_stale") == 2

    @pytest.mark.usefixtures("few_tries")
    def test_the_reader_s_own_limit_counts(self, hosts: Hosts) -> None:
        """Whatever the one who stored it would have allowed."""
        read(hosts.host(), "db#key")
        hosts.vault.stop()
        hosts.clock.advance(TTL + 1)
        with pytest.raises(VaultUnavailableError):
            read(hosts.host(), "db?max_stale=60#key")

    @pytest.mark.usefixtures("few_tries")
    def test_an_outage_that_it_does_not_help_says_what_it_has(self, hosts: Hosts) -> None:
        """The error of a start tells of the store, which has to be filled first."""
        read(hosts.host(), "db#key")
        hosts.vault.stop()
        has = r"no connection.*; the store has 1 of 2 secret\(s\)$"
        with pytest.raises(VaultUnavailableError, match=has):
            read(hosts.host(), "db#key", "never/read#key")

    def test_where_it_can_serve_the_vault_gets_two_seconds(self, hosts: Hosts) -> None:
        """One attempt against a vault that never answers, then a note, which others heed."""
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL)
        hosts.vault.hold("/v1/secrets/**")
        assert read(hosts.host(), "db#key", deadline=60.0) == {"db#key": "one"}
        asked = len(hosts.vault.requests)
        assert read(hosts.host(), "db#key", deadline=60.0) == {"db#key": "one"}
        assert len(hosts.vault.requests) == asked == 2

    def test_a_note_ends(self, hosts: Hosts) -> None:
        """After 5 s the next one asks again."""
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL)
        hosts.vault.fault(code="service_unavailable", times=1)
        read(hosts.host(), "db#key")
        asked = len(hosts.vault.requests)
        hosts.clock.advance(4.9)
        read(hosts.host(), "db#key")
        assert len(hosts.vault.requests) == asked
        hosts.clock.advance(0.1)
        assert hosts.store().note() is None
        read(hosts.host(), "db#key")
        assert len(hosts.vault.requests) == asked + 1

    def test_a_note_lasts_as_long_as_the_vault_asks(self, hosts: Hosts) -> None:
        """With 429, too; who can't be served asks all the same."""
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL)
        hosts.vault.fault(code="rate_limited", retry_after=600, times=1)
        assert read(hosts.host(), "db#key") == {"db#key": "one"}
        note = hosts.store().note()
        assert note is not None
        assert "asks us to wait for 600 s" in note.reason
        hosts.vault.put("late", {"key": "late"})
        assert read(hosts.host(), "late#key") == {"late#key": "late"}

    def test_a_note_that_is_put_back_has_ended(self, hosts: Hosts) -> None:
        """When it ends is sealed with it, whatever the store says of its end."""
        store = hosts.store()
        store.leave_note("it was away", seconds=5.0)
        (file,) = hosts.files()
        note = file.read_bytes()[16:]
        hosts.clock.advance(5.0)
        assert store._access._shelf.swap({store._first.name("note"): Swap(..., note)}, keep=DAY)
        assert store.note() is None
        hosts.clock.now -= 11.0  # it would be from the future
        assert store.note() is None

    def test_an_answer_removes_the_note(self, hosts: Hosts) -> None:
        """The vault is back: nobody is held off any longer."""
        store = hosts.store()
        store.leave_note("it was away", seconds=600.0)
        assert read(hosts.host(), "db#key") == {"db#key": "one"}
        assert store.note() is None


class TestVerdicts:
    def test_a_deleted_secret_is_gone(self, hosts: Hosts) -> None:
        """An outage does not bring it back."""
        read(hosts.host(), "db#key")
        hosts.vault.delete("db")
        hosts.clock.advance(TTL)
        assert read(hosts.host(), "db#key") == {"db#key": SecretNotFoundError}
        hosts.vault.stop()
        assert read(hosts.host(), "db#key") == {"db#key": SecretNotFoundError}

    @pytest.mark.usefixtures("few_tries")
    def test_a_denial_counts_from_the_second_on(self, hosts: Hosts) -> None:
        """One may be a policy that is being edited; an answer between them begins anew."""
        read(hosts.host(), "db#key")
        for _ in range(2):
            hosts.clock.advance(TTL)
            hosts.vault.deny("db")
            assert read(hosts.host(), "db#key") == {"db#key": AccessDeniedError}
            hosts.vault._instance.identities.denied.clear()
            assert read(hosts.host(), "db#key") == {"db#key": "one"}
        hosts.clock.advance(TTL)
        hosts.vault.deny("db")
        for _ in range(2):
            assert read(hosts.host(), "db#key") == {"db#key": AccessDeniedError}
        hosts.vault.stop()
        with pytest.raises(VaultUnavailableError):
            read(hosts.host(), "db#key")

    def test_a_denial_of_before_does_not_count(self, hosts: Hosts) -> None:
        """An answer that was asked for later is not undone by one that comes in late."""
        now = hosts.clock() + hosts.wall
        store = hosts.store()
        store.write({DB: News(_secret(), now, TTL, DAY)})
        for _ in range(2):
            store.write({DB: News(AccessDeniedError("db"), now - 1.0, TTL, DAY)})
        assert store.read({DB: DAY})[DB].denials == 0

    def test_a_rejected_token_changes_nothing_for_others(self, hosts: Hosts) -> None:
        """Three loads with a wrong token, then an outage, then the right one: it is up."""
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL)
        for _ in range(3):
            with pytest.raises(AuthenticationError, match=r"or get a new one [^;]*$"):
                read(hosts.host(token="wrong"), "db#key")
        assert hosts.store().note() is None
        hosts.vault.stop()
        assert read(hosts.host(), "db#key") == {"db#key": "one"}

    def test_a_rejected_token_ends_the_use_of_the_store(self, hosts: Hosts) -> None:
        """Until the vault has answered it again, what others were given is nothing for it."""
        host = hosts.host(token="later")
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL)
        with pytest.raises(AuthenticationError):
            read(host, "db#key")
        read(hosts.host(), "db#key")  # so that the store could serve it
        with pytest.raises(AuthenticationError):
            read(host, "db#key")
        hosts.vault.add_token("later")
        assert read(host, "db#key") == {"db#key": "one"}
        hosts.clock.advance(TTL)
        hosts.vault.stop()
        assert read(host, "db#key") == {"db#key": "one"}


def _secret() -> Secret:
    return Secret("db", 1, {"key": "stored"})


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


class TestAttacks:
    @pytest.mark.parametrize(
        "other",
        [
            {"application": "other"},
            {"environment": "staging"},
            {"tenant": "other"},
            {"keys": (OTHER_KEY,)},
        ],
        ids=str,
    )
    def test_another_owner_finds_nothing(
        self, hosts: Hosts, other: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Application, environment, tenant or key: the vault is asked, and the log says why."""
        caplog.set_level(logging.DEBUG, "vaultconfig")
        read(hosts.host(), "db#key")
        hosts.vault.put("db", {"key": "one"}, tenant="other")
        hosts.vault.add_token("other", tenant_id="other")
        token = "other" if "tenant" in other else None
        assert read(hosts.host(token=token, **other), "db#key") == {"db#key": "one"}
        assert len(reads(hosts.vault)) == 2
        assert "0 of 1 secrets of this application, environment, tenant, server and key" in (
            caplog.text
        )

    def test_another_server_finds_nothing(self, hosts: Hosts) -> None:
        """Its secrets are others, whatever they are called."""
        read(hosts.host(), "db#key")
        with DevServer() as other:
            other.put("db", {"key": "other"})
            host = hosts.host(url=other.url, token=other.token)
            assert read(host, "db#key") == {"db#key": "other"}

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (_flip, "damaged"),
            (lambda file: os.truncate(file, 40), "truncated"),
            (
                lambda file: file.write_bytes(file.read_bytes()[:16] + b"\x02" * 99),
                "another format",
            ),
            (lambda file: file.write_bytes(file.read_bytes() + b"x" * 2**20), "larger"),
        ],
    )
    def test_a_damaged_entry_is_ignored(
        self,
        hosts: Hosts,
        damage: Callable[[Path], object],
        reason: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """One line says why, and the vault is asked."""
        read(hosts.host(), "db#key")
        for file in hosts.files():
            damage(file)
        caplog.clear()
        assert read(hosts.host(), "db#key") == {"db#key": "one"}
        assert reason in caplog.text
        assert len(reads(hosts.vault)) == 2

    def test_swapped_entries_are_ignored(self, hosts: Hosts, caplog: Any) -> None:
        """Two entries change places: neither is served under the other's name."""
        hosts.vault.put("app", {"key": "app"})
        read(hosts.host(), "db#key", "app#key")
        seal = Seal(KEY, ("shop", "production", "", hosts.vault.url))
        files = [_file(hosts, seal.name("secret", path, None)) for path in ("db", "app")]
        db, app = (file.read_bytes() for file in files)
        files[0].write_bytes(app)
        files[1].write_bytes(db)
        assert read(hosts.host(), "db#key", "app#key") == {"db#key": "one", "app#key": "app"}
        assert "2 damaged, or sealed under another name or key" in caplog.text

    @pytest.mark.usefixtures("few_tries")
    def test_an_old_entry_that_is_put_back_is_as_old_as_it_is(self, hosts: Hosts) -> None:
        """Yesterday's password is not served while the vault answers, nor as a younger one."""
        read(hosts.host(), "db#key")
        old = {file: file.read_bytes() for file in hosts.files()}
        hosts.vault.put("db", {"key": "two"})
        hosts.clock.advance(DAY - 100)
        read(hosts.host(), "db#key")
        for file, content in old.items():
            file.write_bytes(content)
        assert read(hosts.host(), "db#key") == {"db#key": "two"}
        for file, content in old.items():
            file.write_bytes(content)
        hosts.vault.stop()
        hosts.clock.advance(100)
        with pytest.raises(VaultUnavailableError):
            read(hosts.host(), "db#key")

    def test_an_entry_from_the_future_is_ignored(self, hosts: Hosts, caplog: Any) -> None:
        """Of a host whose clock is wrong by more than 5 s."""
        hosts.wall += 5.5
        read(hosts.host(), "db#key")
        hosts.wall -= 5.5
        read(hosts.host(), "db#key")
        assert "1 from the future: compare the clocks of the hosts" in caplog.text
        assert len(reads(hosts.vault)) == 2


def _file(hosts: Hosts, name: str) -> Path:
    scope, _, rest = name.partition("/")
    return hosts.directory / f"vaultconfig-{scope}" / rest


class TestKeys:
    def test_a_key_is_rotated_in_three_steps(self, hosts: Hosts) -> None:
        """old → old,new → new,old → new: at each step the entries of the one before are read."""
        hosts.clock.advance(1)
        steps = [(KEY,), (KEY, OTHER_KEY), (OTHER_KEY, KEY), (OTHER_KEY,)]
        read(hosts.host(keys=steps[0]), "db#key")
        for keys in steps[1:-1]:
            assert read(hosts.host(keys=keys), "db#key") == {"db#key": "one"}
        assert len(reads(hosts.vault)) == 1
        hosts.clock.advance(TTL)
        read(hosts.host(keys=steps[2]), "db#key")
        read(hosts.host(keys=steps[3]), "db#key")
        assert len(reads(hosts.vault)) == 2

    def test_the_newest_of_two_keys_counts(self, hosts: Hosts) -> None:
        """Whichever key it was sealed with."""
        read(hosts.host(keys=(KEY,)), "db#key")
        hosts.vault.put("db", {"key": "two"})
        hosts.clock.advance(TTL)
        read(hosts.host(keys=(OTHER_KEY,)), "db#key")
        for keys in ((KEY, OTHER_KEY), (OTHER_KEY, KEY)):
            assert read(hosts.host(keys=keys), "db#key") == {"db#key": "two"}

    def test_hosts_between_two_steps_hear_of_each_other(self, hosts: Hosts) -> None:
        """Those that have taken the next step, and those that have not yet."""
        before, after = hosts.host(keys=(KEY, OTHER_KEY)), hosts.host(keys=(OTHER_KEY, KEY))
        held = before.reread(LIFE, deadline=5.0, newest={})
        mark, _ = before.news(held, LIFE, None)
        hosts.vault.put("db", {"key": "two"})
        after.reread(LIFE, deadline=5.0, newest={})
        assert versions(before.news(held, LIFE, mark)[1]) == [2]

    def test_clear_removes_what_is_ours(self, hosts: Hosts) -> None:
        """For all keys; another application's entries stay."""
        read(hosts.host(application="other"), "db#key")
        others = len(hosts.files())
        read(hosts.host(), "db#key")
        read(hosts.host(keys=(OTHER_KEY,)), "db#key")
        assert hosts.store(keys=(KEY, OTHER_KEY)).clear() == len(hosts.files()) - others + 4
        assert len(hosts.files()) == others


class TestVersions:
    def test_a_version_does_not_go_back_because_of_a_store(self, hosts: Hosts) -> None:
        """A host holds what is newer than what another one, behind a replica, has stored."""
        hosts.vault.put("db", {"key": "two"})
        host = hosts.host()
        held = host.reread(LIFE, deadline=5.0, newest={})
        shutil.rmtree(hosts.directory)
        hosts.clock.advance(10)
        hosts.vault.fault(path="db", lag=1, times=1)
        read(hosts.host(), "db#key")
        assert host.news(held, LIFE, None)[1] == {}
        again = host.reread(LIFE, deadline=5.0, newest={DB: 2}, since={DB: held[DB].read_at})
        assert versions(again) == [2]

    def test_a_lagging_replica_replaces_nothing(self, hosts: Hosts) -> None:
        """A host that starts knows from the store that there has been a newer version."""
        hosts.vault.put("db", {"key": "two"})
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL)
        hosts.vault.fault(path="db", lag=1, times=1)
        assert read(hosts.host(), "db#key") == {"db#key": "two"}
        assert read(hosts.host(), "db#key") == {"db#key": "two"}
        assert len(reads(hosts.vault)) == 3

    def test_a_vault_that_was_restored_is_believed(self, hosts: Hosts) -> None:
        """Once it has answered with the older version for a ttl, whichever hosts have asked."""
        hosts.vault.put("db", {"key": "two"})
        read(hosts.host(), "db#key")
        hosts.vault.rollback("db", 1)
        hosts.clock.advance(TTL)
        assert read(hosts.host(), "db#key") == {"db#key": "two"}
        hosts.clock.advance(TTL - 1)
        assert read(hosts.host(), "db#key") == {"db#key": "two"}
        hosts.clock.advance(1)
        assert read(hosts.host(), "db#key") == {"db#key": "one"}
        assert read(hosts.host(), "db#key") == {"db#key": "one"}
        assert len(reads(hosts.vault)) == 4

    def test_a_replica_that_has_caught_up_is_forgotten(self, hosts: Hosts) -> None:
        """An old answer and one that comes long after it do not add up to a restored vault."""
        hosts.vault.put("db", {"key": "two"})
        one, other = hosts.host(), hosts.host()
        read(one, "db#key")
        for host, lag in ((one, 1), (other, 0)):
            hosts.clock.advance(TTL)
            hosts.vault.fault(path="db", lag=lag, times=1)
            read(host, "db#key")  # the other one hears of the old answer, and of a new one
            read(other, "db#key")
        hosts.clock.advance(TTL)
        hosts.vault.clear_faults()
        hosts.vault.fault(path="db", lag=1, times=1)
        assert read(other, "db#key") == {"db#key": "two"}

    def test_a_version_counts_more_than_a_clock_that_is_behind(self, hosts: Hosts) -> None:
        """What a host 3 s behind has read is stored, and is news for the others."""
        first = hosts.host()
        held = first.reread(LIFE, deadline=5.0, newest={})
        hosts.vault.put("db", {"key": "two"})
        hosts.wall -= 3.0
        hosts.host().reread(LIFE, deadline=5.0, newest={})
        hosts.wall += 3.0
        assert versions(first.news(held, LIFE, None)[1]) == [2]
        assert read(hosts.host(), "db#key") == {"db#key": "two"}

    def test_nothing_is_younger_than_now(self, hosts: Hosts) -> None:
        """By the clock of a host that is ahead, too."""
        hosts.wall += 3.0
        read(hosts.host(), "db#key")
        hosts.wall -= 3.0
        host = hosts.host()
        assert host.read(LIFE, deadline=5.0)[DB].read_at == hosts.clock()

    def test_an_entry_from_the_future_counts_for_its_version(self, hosts: Hosts) -> None:
        """It is not served, but an older version does not replace it."""
        hosts.vault.put("db", {"key": "two"})
        hosts.wall += 60.0
        read(hosts.host(), "db#key")
        hosts.wall -= 60.0
        hosts.vault.fault(path="db", lag=1, times=1)
        read(hosts.host(), "db#key")
        hosts.clock.advance(60.0)
        assert read(hosts.host(), "db#key") == {"db#key": "two"}


class TestNews:
    def test_others_see_what_one_has_read(self, hosts: Hosts) -> None:
        """The mark says that there is something; only what is newer is news."""
        first, second = hosts.host(), hosts.host()
        held = second.reread(LIFE, deadline=5.0, newest={})
        mark, news = second.news(held, LIFE, None)
        assert (mark is None, news) == (False, {})
        hosts.clock.advance(10)
        assert second.news(held, LIFE, mark) == (mark, {})
        hosts.vault.put("db", {"key": "two"})
        first.reread(LIFE, deadline=5.0, newest={})
        later, news = second.news(held, LIFE, mark)
        assert later != mark
        assert versions(news) == [2]
        assert (news[DB].is_stored, news[DB].read_at) == (True, hosts.clock())

    def test_a_process_that_can_not_write_sees_news(self, hosts: Hosts) -> None:
        """A store that it can only read says all the same what others have read."""
        first, second = hosts.host(), hosts.host()
        held = second.reread(LIFE, deadline=5.0, newest={})
        mark, _ = second.news(held, LIFE, None)
        (lock,) = hosts.directory.glob("*/lock")
        lock.unlink()
        lock.mkdir()
        store = second.store
        assert store is not None
        store.leave_note("it was away", seconds=0.0)
        assert (store.is_away, store.is_unreadable) == (True, False)
        lock.rmdir()
        hosts.vault.put("db", {"key": "two"})
        hosts.clock.advance(10)
        first.reread(LIFE, deadline=5.0, newest={})
        assert versions(second.news(held, LIFE, mark)[1]) == [2]
        assert store.is_away

    def test_a_refresh_takes_what_was_read_since(self, hosts: Hosts) -> None:
        """What is newer than what is held, or than the moment that it was asked."""
        first, second = hosts.host(), hosts.host()
        held = second.reread(LIFE, deadline=5.0, newest={})
        hosts.clock.advance(10)
        first.reread(LIFE, deadline=5.0, newest={})
        since = {DB: held[DB].read_at}
        assert second.reread(LIFE, deadline=5.0, newest={}, since=since)[DB].is_stored
        since = {DB: hosts.clock()}
        assert not second.reread(LIFE, deadline=5.0, newest={}, since=since)[DB].is_stored
        assert len(reads(hosts.vault)) == 3

    def test_a_refresh_takes_what_it_got(self, hosts: Hosts) -> None:
        """What the store has, although the vault is away that the rest would have to come from."""
        first, second = hosts.host(), hosts.host()
        hosts.vault.put("late", {"key": "late"})
        lives = LIFE | {SecretKey("late"): Lifetime(TTL, DAY)}
        held = second.reread(lives, deadline=5.0, newest={})
        hosts.vault.put("db", {"key": "two"})
        hosts.clock.advance(1)
        first.reread(LIFE, deadline=5.0, newest={})
        hosts.vault.stop()
        since = {key: reading.read_at for key, reading in held.items()}
        found = second.reread(lives, deadline=5.0, newest={}, held=held, since=since)
        assert versions(found) == [2]
        assert isinstance(found[SecretKey("late")].answer, VaultUnavailableError)

    def test_a_refresh_does_not_take_what_is_older_than_was_announced(self, hosts: Hosts) -> None:
        """By an event, which names the version."""
        first, second = hosts.host(), hosts.host()
        first.reread(LIFE, deadline=5.0, newest={})
        hosts.vault.put("db", {"key": "two"})
        found = second.reread(LIFE, deadline=5.0, newest={DB: 2}, since={DB: 0.0})
        assert versions(found) == [2]

    def test_in_an_outage_a_refresh_heeds_the_note(self, hosts: Hosts) -> None:
        """Unless somebody insists, or what is held may not be served for so long."""
        host = hosts.host()
        host.reread(LIFE, deadline=5.0, newest={})
        hosts.store().leave_note("it was away", seconds=60.0)
        with pytest.raises(VaultUnavailableError, match=r"it was away \(0 s ago, for all"):
            host.reread(LIFE, deadline=5.0, newest={})
        short = {DB: Lifetime(TTL / 10, 59.0)}
        assert versions(host.reread(short, deadline=5.0, newest={})) == [1]
        hosts.store().leave_note("it was away", seconds=60.0)
        assert versions(host.reread(LIFE, deadline=5.0, newest={}, insists=True)) == [1]


class TestAway:
    @pytest.mark.usefixtures("few_tries")
    def test_a_store_that_can_not_be_used_fails_nothing(self, hosts: Hosts, caplog: Any) -> None:
        """One warning, the vault, and no other attempt for 30 s."""
        hosts.directory.write_text("not a directory")
        host = hosts.host()
        for _ in range(2):
            assert read(host, "db?ttl=0.001#key") == {"db?ttl=0.001#key": "one"}
            hosts.clock.advance(1)
        assert caplog.text.count("the store can't be used, so the vault is asked directly") == 1
        assert host.store
        assert host.store.is_away
        hosts.vault.stop()
        hosts.clock.advance(1)
        with pytest.raises(VaultUnavailableError, match=r"no connection[^;]*$"):
            read(host, "never/read#key")
        hosts.vault.start()
        hosts.directory.unlink()
        hosts.clock.advance(30)
        caplog.set_level(logging.INFO, "vaultconfig")
        assert read(host, "db?ttl=0.001#key") == {"db?ttl=0.001#key": "one"}
        assert "the store can be used again" in caplog.text

    def test_one_that_hangs_is_given_up(
        self, hosts: Hosts, caplog: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After half a second, whatever it is kept on."""
        monkeypatch.setattr(access, "PATIENCE", PATIENCE)
        store = hosts.store()
        gate = threading.Event()
        store._access._shelf.read = lambda names: gate.wait(60)  # type: ignore[method-assign]
        assert without_waiting(store.mark) is None
        assert "it did not answer within 0.5 s" in caplog.text
        gate.set()

    @pytest.mark.usefixtures("few_tries")
    def test_what_can_not_be_written_can_be_read(self, hosts: Hosts, caplog: Any) -> None:
        """A read-only store, or a full one, serves what it has."""
        read(hosts.host(), "db#key")
        hosts.clock.advance(TTL)
        host = hosts.host()
        assert host.store is not None
        shelf = host.store._access._shelf

        def full(swaps: Any, *, keep: float) -> bool:
            from vaultconfig.store.shelf import ShelfError

            raise ShelfError("No space left on device")

        shelf.swap = full  # type: ignore[method-assign]
        hosts.vault.stop()
        assert read(host, "db#key") == {"db#key": "one"}
        assert caplog.text.count("the store can't be written;") == 1


def test_many_writers_lose_nothing(hosts: Hosts) -> None:
    """Sixteen hosts that store different secrets at the same time."""
    names = [f"app/s{n}" for n in range(16)]
    for name in names:
        hosts.vault.put(name, {"key": name})
    barrier = threading.Barrier(16)

    def write(name: str) -> None:
        host = hosts.host()
        barrier.wait()
        read(host, f"{name}#key")

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = len(reads(hosts.vault))
    read(hosts.host(), *(f"{name}#key" for name in names))
    assert len(reads(hosts.vault)) == asked


def test_a_swap_is_made_whole(hosts: Hosts) -> None:
    """The mark moves with the entries that it announces."""
    store = hosts.store()
    before = store.mark()
    read(hosts.host(), "db#key")
    eventually(lambda: store.mark() != before)
    mark = store._first.name("mark")
    assert store._access._shelf.swap({mark: Swap(b"x", b"y")}, keep=1.0) is False
