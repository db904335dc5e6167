"""Reads a reference from left to right, alone or inside a template, and knows the column. Pure.

In linear time, whatever the text: an environment can hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from vaultconfig.errors import InvalidReferenceError
from vaultconfig.references.options import ANY, OPTIONS
from vaultconfig.references.paths import CONTROL, MAX_LENGTH, PATH, find_flaw, lone_surrogate

# In a template a bar or a brace ends what comes before it.
_OPTION = re.compile(r"[^&#]*")
_OPTION_INSIDE = re.compile(r"[^&#|}]*")
_FIELD = re.compile(rf"[^{CONTROL}]*")
_FIELD_INSIDE = re.compile(rf"[^{CONTROL}|}}]*")
_WRONG_ESCAPE = re.compile("~(?![01])")


class Parts(NamedTuple):
    """The parts of a reference, as `vaultconfig.VaultRef` describes them."""

    path: str
    field: str | None
    options: Mapping[str, Any]


class Reader:
    """Stands at a place in a text, and moves on as it recognises what is there."""

    def __init__(self, text: str, *, at: int = 0, inside: bool = False) -> None:
        """Stand before the ``vault:`` at offset *at*, *inside* the braces of a template or not."""
        self.text, self.at = text, at
        self._end = lone_surrogate(text)  # which nothing may go beyond
        self._start, self._inside = at, inside

    def read(self) -> Parts:
        """Read a reference, which ends with the text or, inside a template, at a bar or brace.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        if not self._skip("vault:"):
            self._fail("'vault:'")
        path = self._path()
        options = self._options() if self._skip("?") else {}
        field = self._field() if self._skip("#") else None
        return Parts(path, field, options)

    def read_filter(self) -> bool:
        """Read the end of an insert, and return whether it says ``|urlquote``.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        urlquote = self._skip("|")
        if urlquote and not self._skip("urlquote"):
            self._fail("'urlquote'")
        if not self._skip("}"):
            self._fail("'}'")
        return urlquote

    def _path(self) -> str:
        start = self.at
        path = self._take(PATH)
        if len(path) <= MAX_LENGTH:  # else it may go on, which makes no difference
            if self._next == "{":
                self._fail("a placeholder such as {environment}")
            if self._next not in ("?#|}" if self._inside else "?#"):
                self._fail("a character of a path, '?', '#' or the end")
        flaw = find_flaw(path)
        if flaw:
            self._fail(flaw[1], at=start + flaw[0])
        return path

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        while True:
            start = self.at
            text = self._take(_OPTION_INSIDE if self._inside else _OPTION)
            name = text.partition("=")[0]
            if name in options:
                self._fail(f"'{name}' only once", at=start)
            options[name] = self._option(text, start=start)
            if self._next not in ("&#|}" if self._inside else "&#"):
                self._fail("'&', '#' or the end")
            if not self._skip("&"):
                return options

    def _option(self, text: str, *, start: int) -> Any:
        name, equals, value = text.partition("=")
        option = OPTIONS.get(name)
        if option is None:
            self._fail(ANY, at=start)
        if option.parse is None:
            if equals:
                self._fail(f"'{name}' without a value", at=start + len(name))
            return True
        if not equals:
            self._fail(f"'=' and {option.expected}")
        parsed = option.parse(value)
        if parsed is None:
            self._fail(option.expected, at=start + len(name) + 1)
        return parsed

    def _field(self) -> str:
        start = self.at
        field = self._take(_FIELD_INSIDE if self._inside else _FIELD)
        if self._next not in ("|}" if self._inside else ""):
            self._fail("a field without control characters")
        if not field:
            self._fail("a field after '#'")
        wrong = _WRONG_ESCAPE.search(field) if field.startswith("/") else None
        if wrong:
            self._fail("'~0' or '~1'", at=start + wrong.start())
        return field

    @property
    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        start = self.at
        end = len(self.text) if self._end is None else self._end
        match = pattern.match(self.text, start, end)
        self.at = match.end() if match else start
        return self.text[start : self.at]

    def _skip(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def _fail(self, expected: str, *, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        if self._inside and at >= len(self.text):
            at, expected = self._start - len("${"), "a '}' somewhere after this '${'"
        raise InvalidReferenceError(self.text, column=at + 1, expected=expected)
