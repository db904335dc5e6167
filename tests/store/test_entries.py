"""An entry comes back as it was, numbers to their last digit, and only as that of its secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultconfig.errors import (
    AccessDeniedError,
    SecretNotFoundError,
    VaultUnavailableError,
    VersionNotFoundError,
)
from vaultconfig.masking.values import DEEPEST, is_masked, masked_json, unmask
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.store.entries import Entry, News, entry_in, is_newer, successor, text_of
from vaultconfig.store.shelf import UnusableError

KEY = SecretKey("app/db")
NUMBERS = '{"n": 1.10, "big": 12345678901234567890123, "small": 1e-7, "list": [1.0, null, true]}'
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def secret(data: Any, **other: Any) -> Secret:
    return Secret("app/db", 3, masked_json(json.dumps(data).encode()), **other)


def back(entry: Entry, key: SecretKey = KEY, *, oldest: float = 0.0, now: float = 100.0) -> Entry:
    return entry_in(text_of(entry, KEY), key, oldest=oldest, now=now)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_data_comes_back_as_it_was(data: dict[str, Any]) -> None:
    """Whatever JSON can hold, lone surrogates included."""
    found = back(Entry(secret(data), 50.0)).answer
    assert isinstance(found, Secret)
    assert unmask(found.data) == data


def test_numbers_keep_their_digits_and_values_their_masks() -> None:
    """A field that wants text gets the digits as they stood."""
    stored = Secret("app/db", 3, masked_json(NUMBERS.encode()))
    found = back(Entry(stored, 50.0)).answer
    assert isinstance(found, Secret)
    assert [str(found.data[name]) for name in ("n", "big", "small")] == [
        "1.1",
        "12345678901234567890123",
        "1e-07",
    ]
    assert found.data["n"].digits == "1.10"
    assert found.secret_type is None
    assert Entry(stored, 50.0) == Entry(stored, 50.0, 0, None)
    assert is_masked(found.data["n"])


def test_the_rest_of_a_secret_comes_back() -> None:
    """Version, type, metadata and when it ends."""
    ends = datetime(2027, 1, 2, tzinfo=UTC)
    stored = secret({}, secret_type="kv", metadata={"tags": ["a"]}, expires_at=ends)
    entry = back(Entry(stored, 50.5, denials=1, older_since=49.5))
    assert entry == Entry(stored, 50.5, 1, 49.5)
    assert [type(value) for value in entry[1:]] == [float, int, float]
    assert entry.answer.metadata == {"tags": ["a"]}
    assert (entry.answer.secret_type, entry.answer.expires_at) == ("kv", ends)


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (SecretNotFoundError("app/db"), KEY),
        (SecretNotFoundError("app/db"), SecretKey("app/db", 2)),
        (VersionNotFoundError("app/db", 2), SecretKey("app/db", 2)),
    ],
)
def test_that_there_is_none_is_an_entry(error: Any, key: SecretKey) -> None:
    """The secret, or the version of it."""
    found = entry_in(text_of(Entry(error, 50.0), key), key, oldest=0.0, now=100.0).answer
    assert type(found) is type(error)
    assert str(found) == str(error)


@pytest.mark.parametrize("key", [SecretKey("app/other"), SecretKey("app/db", 3)])
def test_an_entry_is_that_of_one_secret(key: SecretKey) -> None:
    """Path and pin are inside."""
    with pytest.raises(UnusableError, match="not of this secret"):
        back(Entry(secret({}), 50.0), key)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"null"])
def test_what_is_no_entry_is_found_out(text: bytes) -> None:
    """Though it was sealed by us."""
    with pytest.raises(UnusableError):
        entry_in(text, KEY, oldest=0.0, now=100.0)


@pytest.mark.parametrize(
    ("read_at", "problem"), [(10.0, "older than max_stale"), (105.1, "from the future")]
)
def test_an_entry_has_an_age(read_at: float, problem: str) -> None:
    """At the age limit it is too old; 5 s ahead are those of another host's clock."""
    with pytest.raises(UnusableError, match=problem):
        back(Entry(secret({}), read_at), oldest=10.0)
    assert back(Entry(secret({}), 10.1), oldest=10.0).read_at == 10.1
    assert back(Entry(secret({}), 105.0), oldest=10.0).read_at == 105.0


def version(number: int) -> Secret:
    return Secret("app/db", number, {})


@pytest.mark.parametrize(
    ("answer", "later", "than", "expected"),
    [
        (version(2), 0.0, version(1), True),
        (version(2), -4.9, version(1), True),
        (version(2), -5.0, version(1), False),
        (version(1), 1000.0, version(2), False),
        (version(1), 0.09, version(1), False),
        (version(1), 0.2, version(1), True),
        (MISSING := SecretNotFoundError("app/db"), 0.2, version(1), True),
        (MISSING, -0.2, version(1), False),
        (version(1), 0.2, MISSING, True),
        (version(9), -0.2, MISSING, False),
    ],
)
def test_which_of_two_answers_is_newer(
    answer: object, later: float, than: object, expected: bool
) -> None:
    """Of two versions the later one, but for one long before; else what was read later."""
    assert is_newer(answer, 1000.0 + later, than=than, at=1000.0) is expected
    assert not is_newer(GONE, 0.1, than=GONE, at=0.0)


def test_a_deep_secret_is_stored() -> None:
    """Whatever the vault may answer with is not too deep for the store, and nothing deeper."""
    data: Any = {}
    for _ in range(DEEPEST - 1):
        data = {"a": data}
    found = back(Entry(secret(data), 50.0)).answer
    assert isinstance(found, Secret)
    assert unmask(found.data) == data


DENIED = AccessDeniedError("app/db")
GONE = SecretNotFoundError("app/db")
LAGS = VaultUnavailableError("a replica may lag")
OLD = Entry(version(2), 100.0)


def following(old: Entry | None, answer: Any, read_at: float) -> Entry | None:
    return successor(old, News(answer, read_at, ttl=300.0, keep=900.0))


@pytest.mark.parametrize(
    ("old", "answer", "read_at", "expected"),
    [
        (None, version(1), 100.0, Entry(version(1), 100.0)),
        (None, GONE, 100.0, Entry(GONE, 100.0)),
        (None, LAGS, 100.0, None),
        (OLD, version(3), 101.0, Entry(version(3), 101.0)),
        (OLD, version(2), 101.0, Entry(version(2), 101.0)),
        (OLD, version(2), 100.0, Entry(version(2), 100.0)),
        (OLD, version(3), 99.0, Entry(version(3), 99.0)),
        (OLD, version(2), 94.9, Entry(version(2), 94.9)),
        (OLD, GONE, 101.0, Entry(GONE, 101.0)),
        (OLD, GONE, 100.0, Entry(GONE, 100.0)),
        (OLD, GONE, 94.9, Entry(GONE, 94.9)),
        (Entry(GONE, 100.0), version(1), 101.0, Entry(version(1), 101.0)),
        (OLD, LAGS, 101.0, OLD._replace(older_since=101.0)),
        (OLD._replace(older_since=50.0), LAGS, 101.0, OLD._replace(older_since=50.0)),
        (OLD._replace(older_since=50.0), version(1), 350.0, Entry(version(1), 350.0)),
        (OLD._replace(older_since=50.0, denials=1), version(2), 101.0, Entry(version(2), 101.0)),
    ],
)
def test_what_replaces_an_entry(
    old: Entry | None, answer: Any, read_at: float, expected: Entry | None
) -> None:
    """What was read later, or is newer; an older version after a ttl of nothing else."""
    assert following(old, answer, read_at) == expected


@pytest.mark.parametrize(
    ("old", "answer", "read_at"),
    [
        (OLD, version(2), 99.0),
        (OLD, version(2), 95.0),
        (OLD, version(1), 101.0),
        (OLD, GONE, 99.0),
        (Entry(GONE, 100.0), version(1), 99.0),
        (OLD._replace(older_since=50.0), version(1), 349.9),
        (OLD, DENIED, 99.0),
        (OLD._replace(denials=1), DENIED, 99.0),
    ],
)
def test_what_changes_nothing(old: Entry, answer: Any, read_at: float) -> None:
    """What was read before, by a clock that may be seconds behind, or an older version."""
    assert following(old, answer, read_at) is old


def test_a_secret_that_is_denied_again_and_again_goes() -> None:
    """A denial may be for one process alone, so it takes several in a row."""
    entry: Entry | None = OLD
    for denials in range(1, 2):
        entry = following(entry, DENIED, 100.0 + denials)
        assert entry == OLD._replace(denials=denials)
    assert following(entry, DENIED, 200.0) is None
    assert following(None, DENIED, 200.0) is None
