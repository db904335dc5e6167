"""What shows of a secret: everything that a log, an error tracker or a debugger makes of things.

Tests plant `CANARIES` in a vault, let something happen, and look for a telling part of any of
them in all that came out.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
import os
import pickle
import pprint
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest
from pydantic import ValidationError

from vaultconfig.devserver import DevServer
from vaultconfig.errors import SettingFailure, VaultConfigError
from vaultconfig.vaults.shared import close_vaults

CANARIES: Final[Mapping[str, Any]] = {
    "text": "kq7Zp-pL4in-Xw93mVtR",
    "integer": 73519864208813,
    "fraction": 27182.81845904,
    "lines": "bX7fLp2Wd8qA\r\nhY3gTr6Vz1\n\tmN8kJs4Qe5",
    "url": "p@sZ:w/0rd?xK9#y%21&zQ8=J",
    "unicode": "pässwörd-ключик-ßæø-é",
    "quotes": 'it\'s "qu0Ted" \\n4k3d ${H0ME}',
    "json": '{"kLm": "jU5er8Tq2Lm", "pO9": 48151623}',
    "reference": "vault:n0where/z8Yx7Wv6#f13ld",
    "object": {"deep": {"key": "nEst3dQwErTy", "number": 99418273645}},
    "items": ["lIst3dAsDfGh", 55512398761],
}
TOKEN: Final = "tOk3n-CvBnM-9Lk2Jh"
CLIENT_SECRET: Final = "cLi3nt-S3cr3T-QpWoEi"
_OURS: Final = ("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_")
_PART: Final = 8  # so many characters in a row are telling


class Shown:
    """Collects what showed, and finds canaries in it."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []

    def add(self, where: str, text: object) -> None:
        self._texts.append((where, str(text)))

    def error(self, error: BaseException, where: str = "error") -> None:
        """Take in all that can be made of *error*, and of what hangs on it."""
        for about, text in _texts_of(error):
            self.add(f"{where}: {about}", text)
        for inner in _hanging_on(error):
            self.error(inner, f"{where} > {type(inner).__name__}")

    def words(self, error: BaseException, where: str = "error") -> None:
        """Take in what *error* says, for where its frames are the caller's own."""
        self.error(error.with_traceback(None), where)

    def settings(self, settings: Any, where: str = "settings") -> None:
        """Take in all ways in which settings are printed."""
        sys.stdout.write(f"{settings}")
        self.add(f"{where}: str", str(settings))
        self.add(f"{where}: f-string", f"{settings} {settings!r} {settings!s}")
        self.add(f"{where}: pprint", pprint.pformat(settings))
        self.add(f"{where}: repr args", list(settings.__repr_args__()))
        self.add(f"{where}: rich", list(settings.__rich_repr__()))
        self.add(f"{where}: devtools", list(settings.__pretty__(repr)))
        self.add(f"{where}: percent", "%s %r" % (settings, settings))  # noqa: UP031 - is meant
        self.add(f"{where}: in a container", {"settings": [settings]})
        self.error(failure_of(lambda: _caller(settings)), f"{where}: a caller's traceback")

    def leaks(self) -> list[str]:
        """Return where a canary showed, and which part of it."""
        return [
            f"{where}: {part!r}"
            for where, text in self._texts
            for part in sorted(NEEDLES & _parts(text))[:1]
        ]


@contextmanager
def vault_of_canaries(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    """Run a vault full of canaries, in *directory*, with pydantic's debug log switched on."""
    monkeypatch.chdir(directory)
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        monkeypatch.delenv(name)
    with DevServer(token=TOKEN) as vault:
        vault.put("app", CANARIES)
        vault.put("items", {name: [value] for name, value in CANARIES.items()})
        vault.put("values", {name: {"value": value} for name, value in CANARIES.items()})
        monkeypatch.setenv("SCAIVAULT_URL", vault.url)
        monkeypatch.setenv("SCAIVAULT_TOKEN", TOKEN)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
        close_vaults()
        yield vault
        close_vaults()


@contextmanager
def watched(capfd: pytest.CaptureFixture[str]) -> Iterator[Shown]:
    """Watch logs of every level, warnings and outputs; nothing in them may be a canary."""
    shown = Shown()
    handler, root = _Everything(shown), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield shown
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    for warning in warned:
        shown.add("warning", warning)
    for stream, text in zip(("stdout", "stderr"), capfd.readouterr(), strict=True):
        shown.add(stream, text)
    if leaks := shown.leaks():
        pytest.fail("\n".join(leaks), pytrace=False)


def attempt(shown: Shown, load: Callable[[], Any], where: str) -> None:
    """Take in what *load* raises; or, where it does not, how its settings print."""
    try:
        settings = load()
    except (ValidationError, VaultConfigError) as error:
        failure: Exception = error
    else:
        shown.settings(settings, where)
        return
    shown.error(failure, where)


def failure_of(call: Callable[[], object]) -> Exception:
    """Return what *call* raises."""
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing failed")


_NUMBERS = ("created", "msecs", "relativeCreated", "thread", "process")
"""Of a record, what may look like a part of a number that is secret, once in a million records."""


class _Everything(logging.Handler):
    def __init__(self, shown: Shown) -> None:
        super().__init__(logging.DEBUG)
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        told = {k: v for k, v in vars(record).items() if k not in _NUMBERS}
        self._shown.add(f"log {record.name}", f"{record.getMessage()} {told!r}")
        if record.exc_info and record.exc_info[1]:
            self._shown.error(record.exc_info[1], f"log {record.name}")


def _caller(settings: object) -> None:
    raise RuntimeError("with settings among the locals")


def _texts_of(error: BaseException) -> Iterator[tuple[str, object]]:
    yield "str", str(error)
    yield "repr", repr(error)
    yield "f-string", f"{error} {error!r}"
    yield "args", repr(error.args)
    yield "attributes", repr(getattr(error, "__dict__", {}))
    yield "notes", getattr(error, "__notes__", [])
    yield "a copy", repr(vars(copy.copy(error))) if hasattr(error, "__dict__") else ""
    with suppress(Exception):  # not all can be pickled
        yield "pickle", pickle.dumps(error).decode("latin-1")
        yield "pickle", pickle.dumps(error).decode("utf-8", "replace")
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield "traceback", "".join(trace.format())
    if isinstance(error, ValidationError):
        yield "title", error.title
        yield "errors()", repr(error.errors())
        yield "json()", error.json()
    if isinstance(error, UnicodeError | SyntaxError | OSError):
        yield "members", [getattr(error, name, None) for name in dir(error) if name[0] != "_"]


def _hanging_on(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        yield from error.exceptions
    for failure in getattr(error, "failures", ()):
        assert isinstance(failure, SettingFailure)
        yield failure.error
    if isinstance(error, ValidationError):
        contexts = [line.get("ctx", {}).values() for line in error.errors()]
        yield from (item for ctx in contexts for item in ctx if isinstance(item, BaseException))
    yield from (other for other in (error.__cause__, error.__context__) if other is not None)


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    else:
        yield str(value)


def _forms(text: str) -> Iterator[str]:
    """Yield the ways in which *text* may be written down."""
    yield from (text, repr(text)[1:-1], ascii(text)[1:-1], repr(text.encode())[2:-1])
    yield from (quote(text, safe=""), quote(text), quote_plus(text))
    yield from (json.dumps(text)[1:-1], base64.b64encode(text.encode()).decode())


def _parts(text: str) -> set[str]:
    return {text[end - _PART : end] for end in range(_PART, len(text) + 1)}


NEEDLES: Final = frozenset(
    part
    for scalar in (*_scalars(dict(CANARIES)), TOKEN, CLIENT_SECRET)
    for form in _forms(scalar)
    for part in _parts(form)
)
