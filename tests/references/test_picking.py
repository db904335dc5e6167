"""Fields of a secret's data, and the text of their values."""

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from vaultconfig.errors import FieldNotFoundError, SecretNotFoundError
from vaultconfig.masking.values import mask
from vaultconfig.references import Resolved, VaultRef, as_json, as_text, pick, picked
from vaultconfig.secret import Secret

DATA = {
    "user": "alice",
    "/": "a slash",
    "": "an empty key",
    "a/b": "a key with a slash",
    "a~1b": "a key with an escape",
    "null": None,
    "db": {"port": 5432, "hosts": ["one", "two"], "": {"": "deep"}, "0": "zero", "-": "dash"},
    "one": ["only"],
    "none": [],
}
SECRET = Secret("a/b", 1, DATA)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (None, DATA),
        ("user", "alice"),
        ("a/b", "a key with a slash"),
        ("a~1b", "a key with an escape"),
        ("null", None),
        ("db", DATA["db"]),
        ("/user", "alice"),
        ("/", "an empty key"),
        ("/~1", "a slash"),
        ("/a~1b", "a key with a slash"),
        ("/a~01b", "a key with an escape"),
        ("/null", None),
        ("/db/port", 5432),
        ("/db/hosts/0", "one"),
        ("/db/hosts/1", "two"),
        ("/db//", "deep"),
        ("/db/0", "zero"),
        ("/db/-", "dash"),
    ],
)
def test_a_field_is_a_key_or_a_pointer(field: str | None, value: object) -> None:
    """A plain field is a key of the data; one that begins with a slash leads into it."""
    assert pick(SECRET, field) == value


@pytest.mark.parametrize(
    ("field", "available"),
    [
        ("pass", sorted(DATA)),
        ("db/port", sorted(DATA)),
        ("/pass", sorted(DATA)),
        ("/db/user", ["", "-", "0", "hosts", "port"]),
        ("/db/hosts/2", ["0…1"]),
        ("/db/hosts/-", ["0…1"]),
        ("/db/hosts/-1", ["0…1"]),
        ("/db/hosts/00", ["0…1"]),
        ("/db/hosts/01", ["0…1"]),
        ("/db/hosts/+1", ["0…1"]),
        ("/db/hosts/١", ["0…1"]),
        ("/db/hosts/", ["0…1"]),
        ("/db/hosts/99999999999", ["0…1"]),
        ("/one/1", ["0"]),
        ("/none/0", []),
        ("/user/0", []),
        ("/null/a", []),
        ("/db/port/a", []),
    ],
)
def test_a_missing_field_is_an_error_with_what_there_is(field: str, available: list[str]) -> None:
    """The error names the keys at the level where the field is missing."""
    with pytest.raises(FieldNotFoundError) as caught:
        pick(SECRET, field)
    assert caught.value.path == "a/b"
    assert caught.value.field == field
    assert caught.value.available == tuple(available)


@pytest.mark.parametrize("guard", [mask, dict])
def test_an_error_shows_no_value(guard: Callable[[object], Any]) -> None:
    """A traceback with the locals of every frame holds keys only, even if no value is masked."""
    secret = Secret("a/b", 1, guard({"user": "canary", "db": {"port": "canary"}}))
    with pytest.raises(FieldNotFoundError) as caught:
        pick(secret, "/db/port/deeper")
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "canary" not in "".join(report.format())
    assert caught.value.__context__ is None


@pytest.mark.parametrize("field", ["/user/x", "/null/x", "/none/x"])
def test_what_has_no_fields(field: str) -> None:
    """A text is not empty, and has no fields all the same."""
    with pytest.raises(FieldNotFoundError) as caught:
        pick(SECRET, field)
    assert str(caught.value) == f"a/b has no field {field!r}: there are no fields"


@pytest.mark.parametrize(
    ("number", "more"), [(30, ""), (31, " and 1 more"), (900, " and 870 more")]
)
def test_many_fields(number: int, more: str) -> None:
    """Thirty names are shown, and all are there."""
    names = [f"k{at:03}" for at in range(number)]
    with pytest.raises(FieldNotFoundError) as caught:
        pick(Secret("a/b", 1, dict.fromkeys(names, "x")), "y")
    assert str(caught.value).endswith(f": it has {', '.join(names[:30])}{more}")
    assert caught.value.available == tuple(names)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("a\nb", "a\nb"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-12, "-12"),
        (1.5, "1.5"),
        (1.0, "1.0"),
        (1e300, "1e+300"),
        (None, None),
        ({}, None),
        ([], None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_scalars_have_a_text(value: object, text: str | None) -> None:
    """Text is taken as it is, the rest as JSON writes it; what is no scalar has no text."""
    assert as_text(value) == text
    assert as_text(mask(value)) == text


def test_the_text_of_a_masked_value_is_plain() -> None:
    """What is inserted is an exact `str`, which shows what it holds."""
    for value in ["alice", 12, 1.5]:
        text = as_text(mask(value))
        assert type(text) is str
        assert repr(text) == repr(str(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 1.5, True, None, "é\n"], "b": {}}, '{"a":[1,1.5,true,null,"é\\n"],"b":{}}'),
        ([], "[]"),
        (None, "null"),
        ("1", '"1"'),
        ('"', '"\\""'),
        ({"é": False}, '{"é":false}'),
    ],
)
def test_anything_has_a_json_text(value: object, text: str) -> None:
    """It is compact, keeps letters as they are, and means the same."""
    assert as_json(value) == as_json(mask(value)) == text
    assert json.loads(text) == value


def test_what_is_picked_knows_its_secret() -> None:
    """A reference gets its value and the secret that it is from, and shows the latter only."""
    found = picked(SECRET, VaultRef("vault:a/b#user"))
    assert found == Resolved("alice", SECRET)
    assert repr(found) == f"Resolved({SECRET!r})"


def test_each_setting_has_an_error_of_its_own() -> None:
    """References that share an answer do not share the notes of its error, nor a traceback."""
    error = SecretNotFoundError("a/b")
    copied = picked(error, VaultRef("vault:a/b#user"))
    assert type(copied) is SecretNotFoundError
    assert copied is not error
    missing = picked(SECRET, VaultRef("vault:a/b#pass"))
    assert isinstance(missing, FieldNotFoundError)
    assert missing.__traceback__ is None
