"""Refreshes of hosts that share a store: what another one has read, and what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.store.hosts import DAY, Hosts, versions
from vaultconfig.errors import AuthenticationError, SecretNotFoundError, VaultUnavailableError
from vaultconfig.secret import SecretKey
from vaultconfig.vaults.cache import Reading
from vaultconfig.vaults.lifetime import Lifetime
from vaultconfig.vaults.vault import Vault

DB = SecretKey("db")
LIFE = {DB: Lifetime(300.0, DAY)}


def read(host: Vault) -> Mapping[SecretKey, Reading]:
    return host.read(LIFE, deadline=5.0)


def reread(host: Vault, hosts: Hosts, **how: Any) -> tuple[list[int], int]:
    """Refresh, and return the versions that came, and how many requests that took."""
    before = len(hosts.vault.requests)
    found = host.reread(LIFE, deadline=5.0, **{"newest": {}, **how})
    return versions(found), len(hosts.vault.requests) - before


def rotated(hosts: Hosts) -> tuple[Vault, Mapping[SecretKey, Reading]]:
    """Have another host store version 2; return one that has version 1."""
    other, host = hosts.host(), hosts.host()
    held = read(host)
    hosts.vault.put("db", {"key": "two"})
    hosts.clock.advance(1.0)
    other.reread(LIFE, deadline=5.0, newest={})
    return host, held


def test_a_newer_version_of_another_host_is_believed(hosts: Hosts) -> None:
    """It was read after what is held, and costs no request."""
    host, held = rotated(hosts)
    assert reread(host, hosts, held=held) == ([2], 0)


def test_without_anything_held_the_vault_is_asked(hosts: Hosts) -> None:
    """A refresh wants the newest, and nothing says how old that in the store is."""
    host, _ = rotated(hosts)
    assert reread(host, hosts) == ([2], 1)


def test_what_was_announced_is_asked_for(hosts: Hosts) -> None:
    """The version in the store is older than the announcement."""
    host, held = rotated(hosts)
    assert reread(host, hosts, held=held, newest={DB: 2}) == ([2], 0)
    assert reread(host, hosts, held=held, newest={DB: 3}) == ([], 1)


def test_that_there_was_none_says_nothing_of_versions(hosts: Hosts) -> None:
    """What is held is an error: then the vault is asked, whatever the store has."""
    host, held = rotated(hosts)
    missing = {DB: Reading(SecretNotFoundError("db"), held[DB].read_at)}
    assert reread(host, hosts, held=missing) == ([2], 1)


@pytest.mark.parametrize(("later", "requests"), [(-0.2, 0), (-0.05, 1), (0.05, 1)])
def test_the_same_version_has_to_have_been_read_since(
    hosts: Hosts, later: float, requests: int
) -> None:
    """By the clock of the one host, to a tenth of a second."""
    held = read(host := hosts.host())
    hosts.clock.advance(1.0)
    hosts.host().reread(LIFE, deadline=5.0, newest={})
    since = {DB: hosts.clock() + later}
    assert reread(host, hosts, held=held, since=since) == ([1], requests)


def test_the_same_version_is_asked_for_without_a_time(hosts: Hosts) -> None:
    """Though another host has read it later."""
    held = read(host := hosts.host())
    hosts.clock.advance(1.0)
    hosts.host().reread(LIFE, deadline=5.0, newest={})
    assert reread(host, hosts, held=held) == ([1], 1)


def test_an_outage_that_others_met_is_heeded_unless_it_is_insisted_on(hosts: Hosts) -> None:
    """One request for all; a refused login asks in any case."""
    held = read(host := hosts.host())
    read(other := hosts.host())
    hosts.vault.fault(status=503, times=1)
    with pytest.raises(VaultUnavailableError):
        other.reread(LIFE, deadline=5.0, newest={})
    with pytest.raises(VaultUnavailableError, match="for all that share the store"):
        host.reread(LIFE, deadline=5.0, newest={}, held=held)
    assert reread(host, hosts, held=held, insists=True) == ([1], 1)


def test_news_are_what_is_newer(hosts: Hosts) -> None:
    """Each comes once, since the mark says what has been seen."""
    host, held = rotated(hosts)
    mark, found = host.news(held, LIFE, None)
    assert mark is not None
    assert versions(found) == [2]
    assert host.news(held, LIFE, mark) == (mark, {})
    assert host.news({**held, **found}, LIFE, None) == (mark, {})


def test_a_store_that_goes_away_loses_no_news(hosts: Hosts) -> None:
    """What could not be read is news the next time: the mark stays."""
    host, held = rotated(hosts)
    store = host.store
    assert store is not None

    def fails(_longest: object) -> dict[Any, Any]:
        store._access._away.is_told = True
        return {}

    there, store.read = store.read, fails
    assert host.news(held, LIFE, None) == (None, {})
    store.read = there
    assert versions(host.news(held, LIFE, None)[1]) == [2]


def test_a_host_that_the_vault_rejects_hears_nothing_of_others(hosts: Hosts) -> None:
    """Not until it has been answered itself."""
    read(hosts.host())
    rejected = hosts.host(token="wrong")
    with pytest.raises(AuthenticationError):
        rejected.reread(LIFE, deadline=5.0, newest={})
    assert rejected.news({}, LIFE, None) == (None, {})
