"""What a reference says: ``vault:path?options#field``, and templates of them. Pure.

The only place that knows the grammar, which docs/references.md explains to users. It parses,
prints, fills in placeholders and picks fields out of secrets; it fetches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, NoReturn
from urllib.parse import quote

from vaultconfig.errors import ConfigurationError, FieldNotFoundError, InvalidReferenceError
from vaultconfig.secret import Secret, SecretKey

# ScaiVault's limits on a path; its docs disagree on upper case and dots, so those are left to it.
_MAX_LEVELS: Final = 10
_MAX_LENGTH: Final = 512

# Durations outside of this print with an exponent, or overflow the clocks of some platforms.
_SHORTEST: Final = 0.001
_LONGEST: Final = 36_500 * 86_400.0
_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "": 1}

_CONTROL = r"\x00-\x1f\x7f-\x9f\ud800-\udfff"
_PATH = re.compile(rf"[^{_CONTROL}\s:|$?#{{}}]*")
_SEGMENT = re.compile(rf"[^{_CONTROL}\s:|$?#{{}}/]+")
_PLACEHOLDER = re.compile(r"\{([^\W\d]\w*)\}")
_DURATION = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?([smhd]?)")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_TRANSIT = re.compile(r"vault:v[0-9]+:")  # HashiCorp's ciphertext, which is not ours
_INSERT = re.compile(r"\$(?<!\$\$)\{(?=vault:)")

_EXPECTED: Final = {
    "version": "a whole number from 1",
    "ttl": "a duration above 0, such as 90, 5m, 12h or 7d",
    "max_stale": "a duration, such as 0, 90, 5m, 12h or 7d",
}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class VaultRef:
    """A reference to a secret, or to one field of it.

    Attributes:
        path: Without a leading slash; may hold ``{placeholders}``.
        field: A key, or a JSON Pointer (RFC 6901) that begins with a slash; None is the whole
            data object.
        version: Counted from 1; None is the newest.
        ttl: How long the value may be served from the cache, in seconds.
        max_stale: How long it may be served while the vault is unreachable, in seconds.
        optional: Whether a secret that does not exist falls through to the default.
    """

    path: str
    field: str | None
    version: int | None
    ttl: float | None
    max_stale: float | None
    optional: bool

    def __init__(
        self,
        text: str,
        *,
        version: int | None = None,
        ttl: float | None = None,
        max_stale: float | None = None,
        optional: bool | None = None,
    ) -> None:
        """Parse *text*; a keyword adds an option to it, or overrides the one there.

        Raises:
            InvalidReferenceError: The text does not follow the grammar.
            ConfigurationError: A keyword makes no sense.
        """
        values = _Reader(text).reference()
        keywords = {"version": version, "ttl": ttl, "max_stale": max_stale}
        for name, value in keywords.items():
            if value is None:
                continue
            if not _fits(name, value):
                raise ConfigurationError(f"{name}={value!r}: expected {_EXPECTED[name]}")
            values[name] = value
        if optional is not None:
            values["optional"] = optional
        self._set(values)

    @classmethod
    def parse(cls, text: str) -> VaultRef:
        """Return the reference that *text* is.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        return cls(text)

    def __str__(self) -> str:
        options = [
            "" if self.version is None else f"version={self.version}",
            "" if self.ttl is None else f"ttl={_print_duration(self.ttl)}",
            "" if self.max_stale is None else f"max_stale={_print_duration(self.max_stale)}",
            "optional" if self.optional else "",
        ]
        query = "&".join(filter(None, options))
        field = "" if self.field is None else f"#{self.field}"
        return f"vault:{self.path}{query and '?'}{query}{field}"

    def __repr__(self) -> str:
        return f"VaultRef({str(self)!r})"

    @property
    def key(self) -> SecretKey:
        """What to read from the vault."""
        return self.path if self.version is None else (self.path, self.version)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names in braces, each once, in order."""
        return tuple(dict.fromkeys(_PLACEHOLDER.findall(self.path)))

    def fill(self, variables: Mapping[str, str]) -> VaultRef:
        """Return this reference with its placeholders replaced.

        Raises:
            ConfigurationError: A variable is missing, or is not one path segment.
        """
        if "{" not in self.path:
            return self
        for name in self.placeholders:
            self._check_variable(name, variables)
        path = _PLACEHOLDER.sub(lambda match: variables[match[1]], self.path)
        flaw = _find_flaw(path)
        if flaw:
            raise ConfigurationError(f"{self} filled in is {path[:600]!r}: expected {flaw[1]}")
        filled = object.__new__(VaultRef)
        filled._set({name: getattr(self, name) for name in self.__slots__} | {"path": path})
        return filled

    def _check_variable(self, name: str, variables: Mapping[str, str]) -> None:
        if name not in variables:
            raise ConfigurationError(f"nothing fills {{{name}}} in {self}")
        value = variables[name]
        if ".." in value or not _SEGMENT.fullmatch(value):
            raise ConfigurationError(
                f"{{{name}}} in {self}: expected one path segment, not {value[:80]!r}"
            )

    def _set(self, values: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, values[name])


@dataclass(frozen=True, slots=True)
class Insert:
    """A place in a template that a value goes into."""

    reference: VaultRef
    urlquote: bool = False

    def __str__(self) -> str:
        return f"${{{self.reference}{'|urlquote' if self.urlquote else ''}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """A text with references in it.

    Attributes:
        parts: Literal texts and inserts, in order.
    """

    parts: tuple[str | Insert, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Return the template that *text* is.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        return cls(tuple(_read_template(text)))

    def __str__(self) -> str:
        texts = (_escape(part) if isinstance(part, str) else str(part) for part in self.parts)
        text = "".join(texts)
        return f"vault::{text[6:]}" if text.startswith("vault:") else text

    @property
    def references(self) -> tuple[VaultRef, ...]:
        """The references in order, with repetitions."""
        return tuple(part.reference for part in self.parts if isinstance(part, Insert))

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names in braces of all references, each once, in order."""
        return tuple(dict.fromkeys(n for ref in self.references for n in ref.placeholders))

    def fill(self, variables: Mapping[str, str]) -> Template:
        """Return this template with the placeholders in its references replaced.

        Raises:
            ConfigurationError: A variable is missing, or is not one path segment.
        """
        return Template(
            tuple(
                Insert(part.reference.fill(variables), part.urlquote)
                if isinstance(part, Insert)
                else part
                for part in self.parts
            )
        )

    def render(self, values: Sequence[str]) -> str:
        """Return the text with *values* in it: one for each of ``references``, never read again."""
        following = iter(values)
        return "".join(
            part if isinstance(part, str) else _inserted(next(following), urlquote=part.urlquote)
            for part in self.parts
        )


def is_reference(text: str) -> bool:
    """Whether `parse` would do anything but return *text* itself."""
    if text.startswith("vault:"):
        return not _TRANSIT.match(text)
    return "${vault:" in text


def parse(text: str) -> VaultRef | Template | str:
    """Return what *text* means: a reference, a template, or a literal.

    Raises:
        InvalidReferenceError: It begins like one of ours and does not follow the grammar.
    """
    if not is_reference(text):
        return text
    if text.startswith("vault:") and not text.startswith("vault::"):
        return VaultRef(text)
    if "${vault:" not in text:
        return f"vault:{text[7:]}"
    template = Template.parse(text)
    return template if template.references else "".join(map(str, template.parts))


def parse_duration(text: str) -> float | None:
    """Return the seconds that ``90``, ``5m``, ``1.5h`` or ``7d`` stand for, or None."""
    match = _DURATION.fullmatch(text)
    if not match:
        return None
    whole, fraction, unit = match.groups(default="")
    # Divided as integers, so that the result is the float nearest to what was written.
    seconds: float = int(whole + fraction) * _UNITS[unit] / 10 ** len(fraction)
    return seconds if _fits("max_stale", seconds) else None


def pick(secret: Secret, field: str | None) -> Any:
    """Return what *field* names in the data of *secret*; None is all of it.

    Raises:
        FieldNotFoundError: There is no such field; names the fields at the level where it failed.
    """
    node: Any = secret.data
    for token in _tokens(field):
        child = _child(node, token)
        if child is _MISSING:
            available = _names(node)
            del node  # a traceback may show the locals of this frame
            raise FieldNotFoundError(secret.path, field, available=available)
        node = child
    return node


def as_text(value: object) -> str | None:
    """Return a scalar as the text that is inserted for it, or None where *value* has no text."""
    match value:
        case str():
            return str(value)
        case bool():
            return "true" if value else "false"
        case int():
            return int.__repr__(value)
        case float() if isfinite(value):
            return float.__repr__(value)
    return None


class _Reader:
    """Reads one reference from left to right; knows the column of a mistake."""

    def __init__(self, text: str, *, at: int = 0, inside: bool = False) -> None:
        self.text, self.at, self.start, self.inside = text, at, at, inside
        self.option_end = re.compile("[&#|}]" if inside else "[&#]")
        self.field_end = re.compile(rf"[{_CONTROL}|}}]" if inside else rf"[{_CONTROL}]")

    def reference(self) -> dict[str, Any]:
        if not self.taken("vault:"):
            self.fail("'vault:'")
        values = dict.fromkeys(VaultRef.__slots__) | {"optional": False, "path": self.path()}
        if self.taken("?"):
            values |= self.options()
        if self.taken("#"):
            values["field"] = self.field()
        return values

    def path(self) -> str:
        start, length = self.at, 0
        while True:
            run = self.take(_PATH)
            length += len(run)
            if not self.text.startswith("{", self.at):
                break
            if not self.take(_PLACEHOLDER):
                self.fail("a placeholder such as {name}")
            length += 1
            if length > _MAX_LENGTH:
                break
        if length > _MAX_LENGTH:
            self.fail(f"a path of at most {_MAX_LENGTH} characters", at=start + _MAX_LENGTH)
        ends = "?#|}" if self.inside else "?#"
        if self.at < len(self.text) and self.text[self.at] not in ends:
            self.fail("a character of a path, '?', '#' or the end")
        path = self.text[start : self.at]
        flaw = _find_flaw(path)
        if flaw:
            self.fail(flaw[1], at=start + flaw[0])
        return path

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        while True:
            start = self.at
            name, equals, value = self.until(self.option_end).partition("=")
            if name in options:
                self.fail(f"{name!r} only once", at=start)
            options[name] = self.option(name, value if equals else None, start=start)
            if not self.taken("&"):
                return options

    def option(self, name: str, value: str | None, *, start: int) -> object:
        if name == "optional":
            if value is not None:
                self.fail("'optional' without a value", at=start + len(name))
            return True
        if name not in _EXPECTED:
            self.fail("'version=', 'ttl=', 'max_stale=' or 'optional'", at=start)
        number = _number(name, value or "")
        if number is None:
            where = start + len(name) + (value is not None)
            self.fail(
                _EXPECTED[name] if value is not None else f"'=' and {_EXPECTED[name]}", at=where
            )
        return number

    def field(self) -> str:
        start = self.at
        field = self.until(self.field_end)
        if self.at < len(self.text) and not (self.inside and self.text[self.at] in "|}"):
            self.fail("a field without control characters")
        if not field:
            self.fail("a field after '#'")
        if field.startswith("/"):
            wrong = re.search("~(?![01])", field)
            if wrong:
                self.fail("'~0' or '~1'", at=start + wrong.start())
        return field

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if not match:
            return ""
        self.at = match.end()
        return match[0]

    def until(self, pattern: re.Pattern[str]) -> str:
        start = self.at
        match = pattern.search(self.text, start)
        self.at = match.start() if match else len(self.text)
        return self.text[start : self.at]

    def taken(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) * found
        return found

    def insert(self) -> Insert:
        values = self.reference()
        urlquote = self.taken("|")
        if urlquote and not self.taken("urlquote"):
            self.fail("'urlquote'")
        if not self.taken("}"):
            self.fail("'}'")
        reference = object.__new__(VaultRef)
        reference._set(values)
        return Insert(reference, urlquote)

    def fail(self, expected: str, *, at: int | None = None) -> NoReturn:
        where = self.at if at is None else at
        if self.inside and where >= len(self.text):
            where, expected = self.start - 2, "a '}' that ends this '${'"
        raise InvalidReferenceError(self.text, column=where + 1, expected=expected)


def _read_template(text: str) -> Iterable[str | Insert]:
    at = 0
    if text.startswith("vault:"):
        if not text.startswith("vault::"):
            raise InvalidReferenceError(text, column=1, expected="a template, not a reference")
        text_start = "vault:"
        at = 7
    else:
        text_start = ""
    while match := _INSERT.search(text, at):
        literal = text_start + text[at : match.start()].replace("$${", "${")
        text_start = ""
        if literal:
            yield literal
        reader = _Reader(text, at=match.end(), inside=True)
        yield reader.insert()
        at = reader.at
    literal = text_start + text[at:].replace("$${", "${")
    if literal:
        yield literal


def _escape(literal: str) -> str:
    return literal.replace("${", "$${")


def _inserted(value: str, *, urlquote: bool) -> str:
    return quote(value, safe="", errors="surrogatepass") if urlquote else value


def _find_flaw(path: str) -> tuple[int, str] | None:
    """Return the offset of what is wrong with the shape of *path*, and what was expected."""
    at = 0
    if len(_PLACEHOLDER.sub("x", path)) > _MAX_LENGTH:
        return _MAX_LENGTH, f"a path of at most {_MAX_LENGTH} characters"
    for level, segment in enumerate(path.split("/"), start=1):
        if level > _MAX_LEVELS:
            return at, f"at most {_MAX_LEVELS} levels"
        if segment in {"", "."}:
            return at, "a path segment"
        if ".." in segment:
            return at + segment.index(".."), "a path without '..'"
        at += len(segment) + 1
    return None


def _fits(name: str, value: object) -> bool:
    if name == "version":
        return type(value) is int and 1 <= value < 10**9
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return (value == 0 and name == "max_stale") or _SHORTEST <= value <= _LONGEST


def _number(name: str, text: str) -> float | None:
    if name == "version":
        return int(text) if _VERSION.fullmatch(text) else None
    seconds = parse_duration(text)
    return seconds if _fits(name, seconds) else None


def _print_duration(seconds: float) -> str:
    for unit in "dhm":
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return repr(float(seconds)).removesuffix(".0")


_MISSING: Final = object()


def _tokens(field: str | None) -> Sequence[str]:
    if field is None:
        return ()
    if not field.startswith("/"):
        return (field,)
    return [token.replace("~1", "/").replace("~0", "~") for token in field[1:].split("/")]


def _child(node: object, token: str) -> object:
    if isinstance(node, Mapping):
        return node.get(token, _MISSING)
    if isinstance(node, list) and _INDEX.fullmatch(token) and int(token) < len(node):
        return node[int(token)]
    return _MISSING


def _names(node: object) -> Sequence[str]:
    if isinstance(node, Mapping):
        return list(node)
    if isinstance(node, list) and node:
        return [f"0…{len(node) - 1}"]
    return ()
