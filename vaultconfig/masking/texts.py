"""What is to be found of a value in finished texts, and in which forms it may stand there. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote

from pydantic import BaseModel, SecretBytes, SecretStr

from vaultconfig.masking.values import MaskedStr

TELLING: Final = 4
"""What has fewer characters is found in too much that has nothing to do with it."""

_SAFE: Final = ("", "/", " +", "!$&'()*+,/:;=@")  # quote's own sets, SQLAlchemy's, that of a path
_CODE: Final = re.compile("%..")
_AS_IT_IS: Final = re.compile(r"[ !#-&(-\[\]-~]*").fullmatch  # what nothing escapes
_URL_PASSWORD: Final = re.compile(r"://[^/?#:@\s]*:([^/?#\s]+)@")


def secret_values(
    items: Iterable[tuple[Any, Any]], secret: Collection[str]
) -> Iterator[str | bytes | int | float]:
    """Yield the secret scalars in *items*, which are fields with their values; no booleans."""
    below = by_head(secret)
    for step, item in items:
        inner = below(str(step))
        if inner:
            yield from _scalars_in(item, inner)


def by_head(names: Collection[str]) -> Callable[[str | None], frozenset[str]]:
    """Return a function from a name to the rests of those dotted *names* that begin with it.

    "" among the rests stands for all of the value.
    """
    if "" in names:
        return lambda _: frozenset({""})
    heads: dict[str | None, set[str]] = {}
    for name in names:
        steps = name.split(".")
        for end in range(1, len(steps) + 1):  # a key may have dots, as the name of a host has
            heads.setdefault(".".join(steps[:end]), set()).add(".".join(steps[end:]))
    return lambda name: frozenset(heads.get(name, ()))


def _scalars_in(value: Any, secret: Collection[str]) -> Iterator[str | bytes | int | float]:
    if isinstance(value, (SecretStr, SecretBytes)):
        value = value.get_secret_value()
    if isinstance(value, (str, bytes, int, float)) and not isinstance(value, bool):
        yield value
    elif isinstance(value, BaseModel):
        yield from secret_values(vars(value).items(), secret)
    elif isinstance(value, dict):
        yield from secret_values(value.items(), secret)
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from secret_values(enumerate(value), secret)


def texts_in(values: Iterable[Any], *, shortest: int) -> Iterator[str]:
    """Yield what is to be found of *values*: texts of *shortest* characters or more."""
    for value in secret_values(enumerate(values), {""}):
        wholes = [str(value)]
        if isinstance(value, bytes):
            wholes = [repr(value)[2:-1], value.decode(errors="replace")]
        for text in wholes:
            yield from (part for part in _parts(text.strip(), shortest) if len(part) >= shortest)


def _parts(text: str, shortest: int) -> Iterator[str]:
    """Yield *text*, and what programs take out of it: values of JSON, lines, passwords."""
    yield text
    inner: Any = None
    if text.startswith(("{", "[")):
        with suppress(ValueError, RecursionError):  # not JSON after all
            inner = json.loads(text)
    if isinstance(inner, (dict, list)):
        yield from texts_in([inner], shortest=shortest)
    else:
        yield from map(str.strip, text.splitlines())
    for password in _URL_PASSWORD.findall(text):
        yield from (password, unquote(password))  # as drivers show and send it


def forms_of(text: str) -> Collection[str]:
    """Return the ways in which a line, a `repr`, JSON or a URL may have *text*."""
    encoded = _encoded(text)
    urls = {quote_plus(encoded), *(quote(encoded, safe=safe) for safe in _SAFE)}
    forms = {text, *urls, *(_CODE.sub(lambda code: code[0].lower(), url) for url in urls)}
    for _ in range(2):  # of an error that quotes the `repr` of a value, too; or of that in JSON
        odd = (form for form in forms if not _AS_IT_IS(form))
        forms |= {escaped for form in [*odd] for escaped in _escaped(form)}
    return [*map(MaskedStr, forms)]


def _escaped(text: str) -> Iterator[str]:
    encoded = _encoded(text)
    yield from (repr(text)[1:-1], ascii(text)[1:-1], repr(encoded)[2:-1])
    # Beside double quotes single ones are escaped.
    yield from (repr('"' + text)[2:-1], ascii('"' + text)[2:-1], repr(b'"' + encoded)[3:-1])
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can hold lone surrogates
