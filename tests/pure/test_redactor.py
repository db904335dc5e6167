"""What a redactor finds in a text, what it leaves, and how much it keeps."""

from __future__ import annotations

import itertools
import json
import pickle
import signal
import threading
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr

from vaultconfig.masking.redactor import PREVIOUS, Redactor
from vaultconfig.masking.values import MASK, mask

PEM = "-----BEGIN RSA KEY-----\nMIIEvQIBADANBgkqhkiG9w+BAQEF/ASC\nkQ==\n-----END RSA KEY-----\n"
WRITTEN = {
    "as it is": str,
    "repr": repr,
    "ascii": ascii,
    "repr beside a double quote": lambda text: repr(f'"{text}'),
    "repr beside a single quote": lambda text: repr(f"'{text}"),
    "repr of bytes": lambda text: repr(text.encode("utf-8", "surrogatepass")),
    "JSON": json.dumps,
    "JSON with its letters": lambda text: json.dumps(text, ensure_ascii=False),
    "repr in JSON": lambda text: json.dumps(repr({"key": text})),
    "repr of an error": lambda text: repr(ValueError(f"it is {text!r}")),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "percent-encoded": lambda text: quote(text, errors="surrogatepass"),
    "percent-encoded, slashes too": lambda text: quote(text, "", errors="surrogatepass"),
    "percent-encoded in lower case": lambda text: quote(text, "", errors="surrogatepass").lower(),
    "a form": lambda text: quote_plus(text, errors="surrogatepass"),
    "a path": lambda text: quote(text, "!$&'()*+,/:;=@", errors="surrogatepass"),
}


def knowing(*values: Any) -> Redactor:
    redactor = Redactor()
    redactor.is_used = True
    redactor.learn(mask([*values]), are_all=True)
    return redactor


@pytest.mark.parametrize("written", WRITTEN)
@given(text=st.text(min_size=6).filter(lambda text: len(text.strip()) >= 6))
@example("hunter2-hunter2-hunter2!")
@example('it\'s "quoted" \\n \\\\ 100 % + é/ß?x=1&y=2')
@example("\ud800 alone \x7f\x1b")
def test_a_value_is_found_however_it_is_written(written: str, text: str) -> None:
    """All of it goes, whatever characters it has and whatever stands around it."""
    text = text.strip()
    if written.endswith("lower case"):
        text = text.lower()
    line = WRITTEN[written](text)
    shown = knowing(text).redact(f"before {line} after")
    rest = WRITTEN[written]("x" * 6).replace("x" * 6, MASK)
    assert _alike(shown) == _alike(f"before {rest} after")


def _alike(text: str) -> str:
    """Return *text* without what depends on the quotes that stand in a value."""
    return text.replace("\\", "").replace('"', "'")


@given(start=st.integers(0, 12), length=st.integers(6, 40))
def test_it_is_found_wherever_it_stands(start: int, length: int) -> None:
    """At each place of a text, at its beginning and at its end."""
    value = "0123456789abcdefghijklmnopqrstuvwxyzABCD"[:length]
    assert knowing(value).redact("-" * start + value) == "-" * start + MASK


@pytest.mark.parametrize(
    ("value", "is_masked"), [("12345", False), ("123456", True), ("1234567", True)]
)
def test_six_characters_are_enough(value: str, is_masked: bool) -> None:
    """A shorter value would be found in too much that has nothing to do with it."""
    redactor = knowing(value, int(value))
    assert (MASK in redactor.redact(f"it is {value}.")) is is_masked


def test_what_is_no_value_stays() -> None:
    """Short values, booleans, null and the names of keys change no line."""
    redactor = knowing(5, "app", True, None, "", {"password": "x"}, "     ")
    for line in (
        "INFO app.request 5 users",
        "True or false, None or null: a password",
        "",
        "x",
        "-" * 9,
    ):
        assert redactor.redact(line) == line


def test_the_longest_counts() -> None:
    """A value that holds another leaves nothing of itself beside the mask."""
    redactor = knowing("hunter2", "hunter2-and-more", "postgresql://app:hunter2-and-more@db/app")
    assert redactor.redact("hunter2 hunter2-and-more") == f"{MASK} {MASK}"
    assert redactor.redact("at postgresql://app:hunter2-and-more@db/app.") == f"at {MASK}."


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        PEM.replace("\n", "\r\n"),
        repr(PEM),
        json.dumps({"key": PEM}),
        "  | " + PEM.strip().replace("\n", "\n  | "),
        repr(PEM.encode()),
    ],
)
def test_lines_are_found_one_by_one(text: str) -> None:
    """A key of several lines is masked whole, indented, and with other line ends."""
    shown = knowing(PEM).redact(text)
    assert not [line for line in PEM.splitlines() if len(line) >= 6 and line in shown]
    for line in PEM.splitlines():
        assert len(line) < 6 or line not in knowing(PEM).redact(line)


class Database(BaseModel):
    password: SecretStr
    salt: SecretBytes
    pins: list[int]


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ({"deep": [{"key": "in-a-list"}]}, ["in-a-list"]),
        (
            Database(password="in-a-model", salt=b"in-bytes", pins=[1234567]),
            ["in-a-model", "in-bytes", "1234567"],
        ),
        (b"\x00\xff\x01binary", [r"b'\x00\xff\x01binary'"]),
        ("  padded-value\n", ["padded-value"]),
        ('{"user": "app", "password": "in-json-text"}', ["in-json-text"]),
        ("redis://:in-a-url@cache:6379/0", ["in-a-url", "rediss://:in-a-url@cache"]),
        ("postgres://u:p%40ss%2Fw0rd@h/db", ["p%40ss%2Fw0rd", "p@ss/w0rd", "://u:p@ss/w0rd@h"]),
        ("amqp://a:first-of-two@x,amqp://b:second-of-two@y", ["first-of-two", "second-of-two"]),
        (27182.81845904, ["27182.81845904"]),
    ],
)
def test_what_is_inside_is_found(value: Any, texts: list[str]) -> None:
    """Collections, models, JSON in a text and the password of a URL are looked into."""
    redactor = knowing(value)
    for text in texts:
        assert text.strip("b'") not in redactor.redact(f"got {text}!")


def test_previous_values_are_still_found() -> None:
    """What is replaced stays masked."""
    redactor = knowing("password-one", "constant-value")
    redactor.learn(mask(["password-two", "constant-value"]), are_all=True)
    line = "password-one password-two constant-value"
    assert redactor.redact(line) == " ".join([MASK] * 3)


def test_what_is_kept_has_an_end() -> None:
    """At least the last 1000 of the previous values are masked, and never more than twice that."""
    redactor = knowing("constant-value")
    for number in range(3 * PREVIOUS):
        redactor.learn(mask([f"rotated-{number:06}", "constant-value"]), are_all=True)
    last = range(2 * PREVIOUS, 3 * PREVIOUS)
    assert all(redactor.redact(f"rotated-{number:06}") == MASK for number in last)
    assert redactor.redact("rotated-000000") == "rotated-000000"
    assert redactor.redact("constant-value") == MASK
    assert len(redactor._known.forms) <= 2 * PREVIOUS + 2


def test_values_that_never_came_into_use_have_an_end_too() -> None:
    """A value that does not fit is learned as well; those in use are not pushed out by them."""
    redactor = knowing("constant-value")
    for number in range(3 * PREVIOUS):
        redactor.learn(mask([f"unfit-{number:06}"]))
    assert redactor.redact(f"unfit-{3 * PREVIOUS - 1:06} constant-value") == f"{MASK} {MASK}"
    assert len(redactor._known.forms) <= 2 * PREVIOUS + 2


def test_a_value_in_long_use_is_kept_when_it_is_replaced() -> None:
    """How long a value is kept counts from its last use, not from its first."""
    redactor = knowing("in-use-for-long", "rotated-000000")
    for number in range(2 * PREVIOUS):
        redactor.learn(mask(["in-use-for-long", f"rotated-{number:06}"]), are_all=True)
    redactor.learn(mask(["its-successor", "rotated-at-last"]), are_all=True)
    assert redactor.redact("in-use-for-long") == MASK


def test_without_use_nothing_is_kept() -> None:
    """Where no formatter asks for it, no value stays in memory."""
    redactor = Redactor()
    redactor.learn(mask(["password-one"]), are_all=True)
    assert redactor.redact("password-one") == "password-one"
    assert not redactor._known.forms


def test_threads_that_learn_at_once_lose_nothing() -> None:
    """What one thread learns is not overwritten by another; nobody waits for a lock."""
    redactor, barrier = knowing(), threading.Barrier(8)

    def learn(number: int) -> None:
        barrier.wait()
        for each in range(20):
            redactor.learn(mask([f"value-{number}-{each:03}"]))

    threads = [threading.Thread(target=learn, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        for each in range(20):
            assert redactor.redact(f"value-{number}-{each:03}") == MASK


def test_a_signal_may_learn_and_redact_meanwhile() -> None:
    """A handler that comes in between gets its value masked, and loses that of nobody."""
    redactor, numbers, shown = knowing("constant-value"), itertools.count(), []

    def handle(*_: object) -> None:
        value = f"from-the-handler-{next(numbers):06}"
        redactor.learn(mask([value]))
        shown.append(redactor.redact(f"constant-value {value}"))

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for number in range(200):
            redactor.learn(mask([f"from-outside-{number:03}"]))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert set(shown) <= {f"{MASK} {MASK}"}
    everything = [f"from-outside-{n:03}" for n in range(200)]
    everything += [f"from-the-handler-{n:06}" for n in range(next(numbers))]
    assert {redactor.redact(text) for text in everything} == {MASK}


def test_it_shows_nothing_itself() -> None:
    """Neither `repr` nor pickle gives away what is known, nor a debugger what is inside."""
    redactor = knowing("hunter2-hunter2", {"key": 'it\'s-"hunter2"'})
    shown = f"{redactor!r} {vars(redactor)!r} {redactor._known.forms!r} {redactor._known.in_use!r}"
    shown += repr([*redactor._known.by_piece.values()])
    assert "hunter2" not in shown
    with pytest.raises(TypeError, match="is not pickled"):
        pickle.dumps(redactor)


def test_many_values_that_begin_alike_are_told_apart() -> None:
    """A line with their common beginning is not searched for all of them."""
    redactor = knowing(
        *(f"https://hooks.example.com/{number * 7919:06}/send" for number in range(200))
    )
    assert max(len(forms) for forms in redactor._known.by_piece.values()) < 100
    assert redactor.redact("see https://hooks.example.com/") == "see https://hooks.example.com/"
