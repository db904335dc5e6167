"""The dialects of data: ``json``, ``yaml`` and ``k8s``. Pure, and without a YAML library.

YAML is written as double-quoted strings only, keys too: bare words such as ``no`` would not stay
text.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Final

from vaultconfig.errors import ConfigurationError

# What YAML 1.1 and 1.2 agree to be printable and no line break; all else is escaped.
_ESCAPED = re.compile(
    r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\"\\]"
)
_UNESCAPED = re.compile(r"\\(?:x(..)|u(....)|U(........)|(.))")
_ESCAPES: Final = {"\n": "n", "\r": "r", "\t": "t", '"': '"', "\\": "\\"}
_MEANINGS: Final = {letter: character for character, letter in _ESCAPES.items()}
_STRING: Final = r'"((?:[^"\\\n]|\\.)*)"'
_ENTRY = re.compile(f"{_STRING}: {_STRING}")

_LARGEST_SECRET: Final = 1024 * 1024  # of values, together: Kubernetes refuses more
K8S_LIMITS: Final = "a Secret holds 1 MiB, and names of 253 characters"


def encode_json(values: Mapping[str, str]) -> str:
    """Return one JSON object."""
    return json.dumps(dict(values), indent=2, ensure_ascii=False) + "\n"


def parse_json(text: str) -> dict[str, str | None]:
    """Return the object of strings that *text* is.

    Raises:
        ConfigurationError: It is something else.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and all(isinstance(value, str) for value in data.values()):
        return data
    del data  # a traceback may show the locals of this frame
    raise ConfigurationError("the file is not a JSON object of strings: remove or mend it")


def encode_yaml(values: Mapping[str, str]) -> str:
    """Return one YAML mapping."""
    lines = [f"{_quote(key)}: {_quote(value)}\n" for key, value in values.items()]
    return "".join(lines) or "{}\n"


def parse_yaml(text: str) -> dict[str, str | None]:
    """Return the mapping that *text* is, if it is written the way that we write it.

    Raises:
        ConfigurationError: It is not.
    """
    lines = [] if text == "{}\n" else text.removesuffix("\n").split("\n")
    return dict(_entry(line, number) for number, line in enumerate(lines, start=1))


def encode_k8s(values: Mapping[str, str], *, name: str) -> str:
    """Return the manifest of a Secret called *name*.

    Values are base64, so that ``kubectl apply`` also removes the keys that are gone, which it
    does not do with ``stringData``.
    """
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    if sum(len(value.encode()) for value in values.values()) > _LARGEST_SECRET:
        raise ConfigurationError(K8S_LIMITS)
    if any(len(key) > 253 for key in values):
        raise ConfigurationError(K8S_LIMITS)
    head = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {_quote(name)}\ntype: Opaque\ndata:"
    entries = "".join(f"  {line}\n" for line in encode_yaml(data).splitlines())
    return f"{head}\n{entries}" if data else f"{head} {{}}\n"


def parse_k8s(text: str) -> dict[str, str | None]:
    """Return the ``data`` of the manifest that *text* is, if it is written the way we write it.

    Raises:
        ConfigurationError: It is not.
    """
    lines = text.removesuffix("\n").split("\n")
    if lines[-1:] == ["data: {}"]:
        return {}
    start = lines.index("data:") + 1 if "data:" in lines else len(lines)
    entries = dict(
        _entry(line.removeprefix("  "), number)
        for number, line in enumerate(lines[start:], start=start + 1)
    )
    try:
        return {
            key: base64.b64decode(text or "", validate=True).decode()
            for key, text in entries.items()
        }
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise ConfigurationError("the file is not a Secret of texts: remove it, or choose another")


def _quote(text: str) -> str:
    return f'"{_ESCAPED.sub(lambda match: _escape(match[0]), text)}"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return f"\\{_ESCAPES[character]}"
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _entry(line: str, number: int) -> tuple[str, str | None]:
    match = _ENTRY.fullmatch(line)
    if match is None:
        raise ConfigurationError(
            f'line {number} is not of the form "KEY": "value": remove the file, or mend it'
        )
    return _unquote(match[1]), _unquote(match[2])


def _unquote(text: str) -> str:
    return _UNESCAPED.sub(_meaning, text)


def _meaning(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    return chr(int(digits, 16)) if digits else _MEANINGS.get(match[4], match[0])
