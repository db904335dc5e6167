"""`Template`, a text with references in it, and `parse`, which tells what a text means. Pure.

A template inserts values and quotes them for URLs. It has no other functions: it is data, not a
program, and what it inserts is never read again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self
from urllib.parse import quote

from vaultconfig.errors import InvalidReferenceError
from vaultconfig.references.reader import Reader
from vaultconfig.references.reference import VaultRef

_INSERT = re.compile(r"\$(?<!\$\$)\{(?=vault:)")  # after another dollar it is a literal
_VARIABLE = re.compile(r"\$\{(?!vault:)([^:}]*)")
_AROUND = " \t\r\n\ufeff\xa0\"'`“”‘’"  # what a shell, a file or an editor may leave before one
_SLIP = re.compile(
    r"(\A|(?<!\$)\$\{)(?!vault:)(\s*)(?i:vault:)(?=(?=[\w{])(?:{\w*}|[^\s|{}]){0,999}?[/#])"
)
_QUOTES = re.compile(r"\\.|[^\"]", re.DOTALL)  # what is left without these are the quotes of JSON
_TRANSIT = re.compile(r"vault:v[0-9]+:")  # HashiCorp's ciphertext, which is not ours


class Insert(NamedTuple):
    """A place in a template that a value goes into, percent-encoded or as it is."""

    reference: VaultRef
    urlquote: bool = False

    def __str__(self) -> str:
        return f"${{{self.reference}{'|urlquote' if self.urlquote else ''}}}"

    def fill(self, variables: Mapping[str, str]) -> Insert:
        """Return this insert with the placeholders of its reference replaced."""
        return Insert(self.reference.fill(variables), self.urlquote)

    def render(self, value: str) -> str:
        """Return the text that stands for *value*."""
        # JSON can hold lone surrogates, which an error about their encoding would show.
        return quote(value, safe="", errors="surrogatepass") if self.urlquote else value


@dataclass(frozen=True, slots=True)
class Template:
    """A text with references in it.

    ``str`` gives the canonical form, which parses back to an equal value.

    Attributes:
        parts: Literal texts and inserts, in order.
    """

    parts: tuple[str | Insert, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the template that *text* is.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        if text.startswith("vault:") and not text.startswith("vault::"):
            raise InvalidReferenceError(
                text, column=1, expected="a template, in which 'vault::' is a literal 'vault:'"
            )
        return cls(tuple(part for part in _read(text) if part))

    def __str__(self) -> str:
        text = "".join(
            part.replace("${", "$${") if isinstance(part, str) else str(part) for part in self.parts
        )
        return f"vault::{text[6:]}" if text.startswith("vault:") else text

    @property
    def references(self) -> tuple[VaultRef, ...]:
        """The references, in order and as often as they occur."""
        return tuple(part.reference for part in self.parts if isinstance(part, Insert))

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names in braces of all references, each once, in order."""
        return tuple(dict.fromkeys(n for ref in self.references for n in ref.placeholders))

    def fill(self, variables: Mapping[str, str]) -> Template:
        """Return this template with the placeholders of its references replaced.

        Raises:
            ConfigurationError: A variable is missing, or does not fit into a path.
        """
        return Template(
            tuple(p.fill(variables) if isinstance(p, Insert) else p for p in self.parts)
        )

    @property
    def is_like_json(self) -> bool:
        """Whether the text begins as a JSON object or list does."""
        first = next(iter(self.parts), "")
        return isinstance(first, str) and first.lstrip()[:1] in ("{", "[")

    def render(self, values: Sequence[str], *, as_json: bool = False) -> str:
        """Return the text with *values* in it, one for each of `references`.

        Args:
            values: Texts.
            as_json: Whether the text will be read as JSON. A value inside one of its strings is
                then written so that it is read as it is, and is nothing but a part of that string.
        """
        following, in_string, text = iter(values), False, []
        for part in self.parts:
            if isinstance(part, str):
                text.append(part)
                in_string ^= as_json and len(_QUOTES.sub("", part)) % 2 == 1
                continue
            value = part.render(next(following))
            text.append(json.dumps(value)[1:-1] if in_string else value)
        return "".join(text)


def is_reference(text: str) -> bool:
    """Whether `parse` would do anything but return *text* unchanged."""
    if "vault:" not in text.lower():
        return False
    bare = text.lstrip(_AROUND)
    if bare.startswith("vault:"):
        return not _TRANSIT.match(bare)
    return "${vault:" in text or _SLIP.search(text) is not None


def without_quotes(text: str) -> str:
    """Return *text* without the quotes around it that another parser has left there."""
    bare = text.strip()
    mark = bare[:1]
    inner = bare.strip(mark)
    if len(bare) > 1 and mark in "\"'" and bare[-1] == mark and mark not in inner:
        return without_quotes(inner)
    return text


def expanded_in(text: str) -> str:
    """Return the first ``${NAME}`` in *text* that python-dotenv expands, without its default."""
    match = _VARIABLE.search(text)
    return f"${{{match[1]}}}" if match else "${…}"


def parse(text: str) -> VaultRef | Template | str:
    """Return what *text* means: a reference, a template, or (a string) a literal.

    Raises:
        InvalidReferenceError: It looks like one of ours and does not follow the grammar, or stands
            in quotes.
    """
    if not is_reference(text):
        return text
    bare = text.lstrip(_AROUND)
    if without_quotes(text) != text or (bare != text and bare.startswith("vault:")):
        at = text.find("vault:") + 1  # the text before it may be secret
        raise InvalidReferenceError(
            text, column=at, expected="a reference without quotes or blanks around it"
        )
    slip = _SLIP.search(text)
    if slip is not None:
        raise InvalidReferenceError(
            text[slip.start() :],
            column=len(slip[1] + slip[2]) + 1,
            expected="'vault:' in lower case and without blanks before it",
        )
    if text.startswith("vault:") and not text.startswith("vault::"):
        return VaultRef(text)
    if "${vault:" not in text:
        return text.replace("::", ":", 1)
    template = Template.parse(text)
    return template if template.references else "".join(map(str.__str__, template.parts))


def _read(text: str) -> Iterator[str | Insert]:
    """Yield literals and inserts in turn; the literals may be empty."""
    at = 0
    while match := _INSERT.search(text, at):
        yield _literal(text, at, match.start())
        reader = Reader(text, at=match.end(), inside=True)
        reading = reader.read()
        yield Insert(VaultRef.of(reading), reader.read_filter())
        at = reader.at
    yield _literal(text, at, len(text))


def _literal(text: str, start: int, end: int) -> str:
    literal = text[start:end].replace("$${", "${")
    if start == 0 and literal.startswith("vault::"):
        return literal.replace("::", ":", 1)
    return literal
