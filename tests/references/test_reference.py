"""Single references: the grammar, its errors, the canonical form and the placeholders."""

import copy
import pickle
from typing import Any

import pytest

from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.references import VaultRef, parse_duration
from vaultconfig.references.options import ANY
from vaultconfig.secret import SecretKey

PATH = "environments/production/db"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"vault:{PATH}", {"path": PATH}),
        (f"vault:{PATH}#user", {"path": PATH, "field": "user"}),
        ("vault:a", {"path": "a"}),
        ("vault:A.b-c_d/é@%20", {"path": "A.b-c_d/é@%20"}),
        ("vault:{environment}/db-{region}", {"path": "{environment}/db-{region}"}),
        ("vault:a?version=3", {"version": 3}),
        ("vault:a?version=999999999", {"version": 999_999_999}),
        ("vault:a?ttl=60", {"ttl": 60.0}),
        ("vault:a?max_stale=0", {"max_stale": 0.0}),
        ("vault:a?optional", {"optional": True}),
        (
            "vault:a?optional&max_stale=1d&ttl=5m&version=1#b",
            {"optional": True, "max_stale": 86_400.0, "ttl": 300.0, "version": 1, "field": "b"},
        ),
        ("vault:a#b c", {"field": "b c"}),
        ("vault:a#b?ttl=60&c#d|e}{", {"field": "b?ttl=60&c#d|e}{"}),
        ("vault:a#/b/0/~0~1", {"field": "/b/0/~0~1"}),
        ("vault:a#/", {"field": "/"}),
        ("vault:a#~", {"field": "~"}),
        (f"vault:{'/'.join('abcdefghij')}", {"path": "a/b/c/d/e/f/g/h/i/j"}),
        (f"vault:{'a' * 512}", {"path": "a" * 512}),
    ],
)
def test_a_reference_is_read(text: str, expected: dict[str, object]) -> None:
    """Each part of a reference is found, and what is left out has its default."""
    reference = VaultRef.parse(text)
    defaults = dict.fromkeys(["field", "version", "ttl", "max_stale"]) | {"optional": False}
    for name, value in (defaults | expected).items():
        assert getattr(reference, name) == value


SLASHES = "a path segment: a path has no leading, trailing or double slash"
DOTS = "a path without '.' and '..'"
CHARACTER = "a character of a path, '?', '#' or the end"
NAME = "a placeholder such as {environment}"
VERSION = "a whole number from 1"
TTL = "a duration above 0, such as 90, 5m, 12h or 7d"
MAX_STALE = "a duration, such as 0, 90, 5m, 12h or 7d"
CONTROL = "a field without control characters"


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("", 1, "'vault:'"),
        ("Vault:a", 1, "'vault:'"),
        (" vault:a", 1, "'vault:'"),
        ("${vault:a}", 1, "'vault:'"),
        ("vault:", 7, SLASHES),
        ("vault:#a", 7, SLASHES),
        ("vault:?ttl=1", 7, SLASHES),
        ("vault:/a", 7, SLASHES),
        ("vault://a", 7, SLASHES),
        ("vault:a/", 9, SLASHES),
        ("vault:a/#b", 9, SLASHES),
        ("vault:a//b", 9, SLASHES),
        ("vault::a", 7, CHARACTER),
        ("vault:v1:abc", 9, CHARACTER),
        ("vault:a b", 8, CHARACTER),
        ("vault: a", 7, CHARACTER),
        ("vault:a ", 8, CHARACTER),
        ("vault:a\u00a0b", 8, CHARACTER),
        ("vault:a\nb", 8, CHARACTER),
        ("vault:a\x00", 8, CHARACTER),
        ("vault:a\x7f", 8, CHARACTER),
        ("vault:a\x85", 8, CHARACTER),
        ("vault:a\udcff", 8, CHARACTER),
        ("vault:a|urlquote", 8, CHARACTER),
        ("vault:a}", 8, CHARACTER),
        ("vault:environments/${ENV}/db", 20, CHARACTER),
        ("vault:.", 7, DOTS),
        ("vault:..", 7, DOTS),
        ("vault:a/./b", 9, DOTS),
        ("vault:a/../b", 9, DOTS),
        ("vault:a/b..c", 10, DOTS),
        ("vault:a/{}", 9, NAME),
        ("vault:a/{", 9, NAME),
        ("vault:{environment", 7, NAME),
        ("vault:{1}", 7, NAME),
        ("vault:{a b}", 7, NAME),
        ("vault:{a-b}", 7, NAME),
        ("vault:{{a}}", 7, NAME),
        (f"vault:{'a/' * 10}b", 27, "a path of at most 10 levels"),
        (f"vault:{'a' * 513}", 519, "a path of at most 512 characters"),
        (f"vault:{'a' * 514}", 519, "a path of at most 512 characters"),
        (f"vault:{'a' * 512} b", 519, CHARACTER),
        ("vault:a?", 9, ANY),
        ("vault:a?#b", 9, ANY),
        ("vault:a?optional&", 18, ANY),
        ("vault:a?&optional", 9, ANY),
        ("vault:a?tll=60", 9, ANY),
        ("vault:a?TTL=60", 9, ANY),
        ("vault:a?optional&nope=1", 18, ANY),
        ("vault:a?version=1?ttl=2", 17, VERSION),
        ("vault:a?optional=", 17, "'optional' without a value"),
        ("vault:a?optional=true", 17, "'optional' without a value"),
        ("vault:a?version", 16, f"'=' and {VERSION}"),
        ("vault:a?version=", 17, VERSION),
        ("vault:a?version=0", 17, VERSION),
        ("vault:a?version=01", 17, VERSION),
        ("vault:a?version=-1", 17, VERSION),
        ("vault:a?version=1.0", 17, VERSION),
        ("vault:a?version=1000000000", 17, VERSION),
        ("vault:a?version=١", 17, VERSION),
        ("vault:a?version=latest", 17, VERSION),
        ("vault:a?ttl", 12, f"'=' and {TTL}"),
        ("vault:a?ttl=", 13, TTL),
        ("vault:a?ttl=0", 13, TTL),
        ("vault:a?ttl=0.0h", 13, TTL),
        ("vault:a?ttl=0.0001", 13, TTL),
        ("vault:a?ttl=-1", 13, TTL),
        ("vault:a?ttl=1e3", 13, TTL),
        ("vault:a?ttl=1w", 13, TTL),
        ("vault:a?ttl=1|urlquote", 13, TTL),
        ("vault:a?ttl=1H", 13, TTL),
        ("vault:a?ttl=1 m", 13, TTL),
        ("vault:a?ttl=1h30m", 13, TTL),
        ("vault:a?ttl=.5", 13, TTL),
        ("vault:a?ttl=1.", 13, TTL),
        ("vault:a?ttl=٣", 13, TTL),
        ("vault:a?ttl=inf", 13, TTL),
        ("vault:a?ttl=36501d", 13, TTL),
        ("vault:a?max_stale=-1", 19, MAX_STALE),
        ("vault:a?ttl=60&ttl=60", 16, "'ttl' only once"),
        ("vault:a?optional&optional", 18, "'optional' only once"),
        ("vault:a#", 9, "a field after '#'"),
        ("vault:a?optional#", 18, "a field after '#'"),
        ("vault:a#b\tc", 10, CONTROL),
        ("vault:a#b\n", 10, CONTROL),
        ("vault:a#\ud800", 9, CONTROL),
        ("vault:a?optional\ud800#b", 17, "'&', '#' or the end"),
        ("vault:a?version=1\ud800#b", 18, "'&', '#' or the end"),
        ("vault:a#/b~2", 11, "'~0' or '~1'"),
        ("vault:a#/b/~", 12, "'~0' or '~1'"),
    ],
)
def test_a_mistake_is_shown_with_its_column(text: str, column: int, expected: str) -> None:
    """An error says where in the text the mistake is, and what was expected there."""
    with pytest.raises(InvalidReferenceError) as caught:
        VaultRef.parse(text)
    assert (caught.value.column, caught.value.expected) == (column, expected)
    assert caught.value.reference == text


def test_a_reference_that_is_not_one_is_shown_short() -> None:
    """An error does not hold a text of any length."""
    with pytest.raises(InvalidReferenceError) as caught:
        VaultRef.parse(f"vault:{'{' * 100_000}")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (
            "vault:a?optional&max_stale=60m&ttl=60s&version=1#/b",
            "vault:a?version=1&ttl=1m&max_stale=1h&optional#/b",
        ),
        ("vault:a?ttl=24h", "vault:a?ttl=1d"),
        ("vault:a?ttl=25h", "vault:a?ttl=25h"),
        ("vault:a?ttl=90s", "vault:a?ttl=90"),
        ("vault:a?ttl=090", "vault:a?ttl=90"),
        ("vault:a?ttl=1.5h", "vault:a?ttl=90m"),
        ("vault:a?ttl=0.50", "vault:a?ttl=0.5"),
        ("vault:a?ttl=0.001", "vault:a?ttl=0.001"),
        ("vault:a?ttl=36500d", "vault:a?ttl=36500d"),
        ("vault:a?max_stale=0d", "vault:a?max_stale=0"),
    ],
)
def test_the_canonical_form_is_short_and_ordered(text: str, canonical: str) -> None:
    """Options come in one order, durations in the largest unit that is exact."""
    assert str(VaultRef.parse(text)) == canonical
    assert repr(VaultRef.parse(text)) == f"VaultRef({canonical!r})"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("7", 7), ("7s", 7), ("5m", 300), ("2h", 7200), ("7d", 604_800), ("1.1h", 3960)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """A duration without a unit is in seconds; a fraction is exact."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1 h", "-1", "1,5", "nan", "9" * 5000, "1\n"])
def test_what_is_no_duration_is_none(text: str) -> None:
    """A text that is not a duration has no seconds."""
    assert parse_duration(text) is None


def test_keywords_add_options_and_override_those_in_the_text() -> None:
    """Options may stand in the text or beside it; the keyword wins."""
    reference = VaultRef("vault:a?ttl=60&optional", ttl=5, version=2, max_stale=0, optional=False)
    assert reference == VaultRef("vault:a?version=2&ttl=5&max_stale=0")
    assert type(reference.ttl) is float
    assert VaultRef("vault:a", optional=True) == VaultRef("vault:a?optional")


@pytest.mark.parametrize(
    "keyword",
    [
        {"version": 0},
        {"version": True},
        {"version": 1.0},
        {"version": "1"},
        {"version": 10**9},
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": True},
        {"ttl": "1m"},
        {"ttl": float("nan")},
        {"ttl": float("inf")},
        {"ttl": 0.0009},
        {"ttl": 36_500 * 86_400 + 1},
        {"max_stale": -1},
        {"max_stale": 0.0009},
        {"optional": 1},
    ],
)
def test_a_keyword_that_makes_no_sense_is_refused(keyword: dict[str, Any]) -> None:
    """What could not be written in a reference cannot be given beside it."""
    ((name, value),) = keyword.items()
    with pytest.raises(ConfigurationError, match=f"{name} is {value!r}: expected "):
        VaultRef("vault:a", **keyword)


@pytest.mark.parametrize(
    "keyword",
    [
        *[{"version": 1}, {"version": 10**9 - 1}, {"max_stale": 0}],
        *[{"ttl": 0.001}, {"ttl": 36_500 * 86_400}],
    ],
)
def test_a_keyword_may_be_at_its_limit(keyword: dict[str, Any]) -> None:
    """The least and the most that make sense are taken, and can be written."""
    ((name, value),) = keyword.items()
    reference = VaultRef("vault:a", **keyword)
    assert getattr(VaultRef(str(reference)), name) == value


def test_the_key_is_what_is_read_from_the_vault() -> None:
    """References to fields of one secret share its key; a pinned version has its own."""
    assert VaultRef("vault:a/b?ttl=1#c").key == VaultRef("vault:a/b#d").key == SecretKey("a/b")
    assert VaultRef("vault:a/b?version=2#c").key == SecretKey("a/b", 2)


def test_a_reference_is_a_value() -> None:
    """It is equal by its parts, copied and pickled, and does not change."""
    reference = VaultRef("vault:a?ttl=60#b")
    assert copy.deepcopy(reference) == pickle.loads(pickle.dumps(reference)) == reference
    assert len({reference, VaultRef("vault:a?ttl=1m#b")}) == 1
    with pytest.raises(AttributeError):
        reference.path = "b"  # type: ignore[misc]  # that it fails is the point


def test_a_reference_prints_before_it_is_made() -> None:
    """A traceback with locals may find one that is not complete yet."""
    assert repr(VaultRef.__new__(VaultRef)) == "VaultRef(…)"


def test_placeholders_are_filled() -> None:
    """Each placeholder is replaced wherever it stands; all else stays."""
    reference = VaultRef("vault:{env}/{region}/db-{env}?version=2&ttl=1m&optional#{env}")
    assert reference.placeholders == ("env", "region")
    filled = reference.fill({"env": "prod", "region": "eu", "unused": "/"})
    assert filled == VaultRef("vault:prod/eu/db-prod?version=2&ttl=1m&optional#{env}")
    assert filled.placeholders == ()


def test_a_reference_without_placeholders_needs_no_variables() -> None:
    """Filling it gives the same."""
    reference = VaultRef("vault:a#b")
    assert reference.fill({}) is reference


@pytest.mark.parametrize(
    "value",
    [
        *["", "a/b", "/", "..", "a..b", ".", "a#b", "a?b", "{a}", "{", "}", "a b", "a\n", "\x00"],
        *["$a", "a|b", "a:b", "\ud800", "x" * 513, "x" * 10_000_000],
    ],
)
def test_what_is_filled_in_is_one_path_segment(value: str) -> None:
    """A value that would change the meaning of the path is refused, by the placeholder's name."""
    with pytest.raises(ConfigurationError, match=r"{env} in a/{env}: expected") as caught:
        VaultRef("vault:a/{env}#b").fill({"env": value})
    assert repr(value)[1:-1][:40] in str(caught.value)
    assert len(str(caught.value)) < 400


def test_values_side_by_side_do_not_add_up_to_something_else() -> None:
    """The filled path is checked as a whole, too."""
    with pytest.raises(ConfigurationError, match=r"{a}, {b} in x/{a}{b}: expected a path without"):
        VaultRef("vault:x/{a}{b}").fill({"a": ".", "b": "."})


def test_a_missing_variable_is_named() -> None:
    """A placeholder that nothing fills is an error, not an empty segment."""
    with pytest.raises(ConfigurationError, match=r"{region} in {env}/{region}: nothing gives it"):
        VaultRef("vault:{env}/{region}").fill({"env": "prod"})
