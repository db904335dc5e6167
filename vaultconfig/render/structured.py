"""The dialects of data: ``json``, ``yaml`` and ``k8s``. Pure.

YAML is written as double-quoted strings only, keys too: bare words such as ``no`` would not stay
text. What is written so is read here; what others have written takes a YAML library.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vaultconfig.errors import ConfigurationError, missing_extra
from vaultconfig.render.rules import Difference, ForeignFileError

# What YAML 1.1 and 1.2 agree to be printable and no line break; all else is escaped.
_ESCAPED = re.compile(
    r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\"\\]"
)
_UNESCAPED = re.compile(r"\\(?:x(..)|u(....)|U(........)|(.))")
_ESCAPES: Final = {"\n": "n", "\r": "r", "\t": "t", '"': '"', "\\": "\\"}
_MEANINGS: Final = {letter: character for character, letter in _ESCAPES.items()}
_STRING: Final = r'"((?:[^"\\\n]|\\.)*)"'
_ENTRY = re.compile(f"{_STRING}: {_STRING}")

_LARGEST_SECRET: Final = 1024 * 1024  # of values, together: Kubernetes rejects more
K8S_LIMITS: Final = "a Secret holds 1 MiB, and names of 253 characters"


def encode_json(values: Mapping[str, str]) -> str:
    """Return one JSON object."""
    return json.dumps(dict(values), indent=2, ensure_ascii=False) + "\n"


def parse_json(text: str) -> dict[str, str | None]:
    """Return the object of strings that *text* is.

    Raises:
        ForeignFileError: It is something else, or has a key twice.
    """
    try:
        # Editors on Windows begin a file with a byte order mark.
        data = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and all(isinstance(value, str) for value in data.values()):
        return data
    del data  # a traceback may show the locals of this frame
    raise ForeignFileError("the file is not a JSON object of strings: fix or remove it")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    found = dict(pairs)
    return found if len(found) == len(pairs) else None


def encode_yaml(values: Mapping[str, str]) -> str:
    """Return one YAML mapping."""
    return "".join(f"{line}\n" for line in _entries(values)) or "{}\n"


def parse_yaml(text: str) -> dict[str, str | None]:
    """Return the mapping of strings that *text* is, however it is written.

    Raises:
        ForeignFileError: It is something else.
        MissingExtraError: Others wrote it, and PyYAML is not installed.
    """
    own = _own_entries([] if text == "{}\n" else text.removesuffix("\n").split("\n"))
    return _texts(_tree_of(text)) if own is None else own


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a Secret is, beside its data."""

    name: str
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        """How its text begins, up to the data."""
        namespace = f"  namespace: {_quote(self.namespace)}\n" if self.namespace else ""
        labels = "".join(f"    {line}\n" for line in _entries(self.labels))
        labels = labels and f"  labels:\n{labels}"
        metadata = f"metadata:\n  name: {_quote(self.name)}\n{namespace}{labels}"
        return f"apiVersion: v1\nkind: Secret\n{metadata}type: Opaque\ndata:"

    def covers(self, metadata: Mapping[str, Any]) -> bool:
        """Whether *metadata* is of this Secret, and has no entry or label that it has not."""
        labels = metadata.get("labels", {})
        most = {"name": self.name, "namespace": self.namespace, "labels": labels}
        return (
            metadata.get("name") == self.name
            and {**most, **metadata} == most
            and isinstance(labels, dict)
            and labels.keys() <= self.labels.keys()
        )


def encode_k8s(values: Mapping[str, str], *, manifest: Manifest) -> str:
    """Return the text of *manifest* with *values* in it.

    They are base64, so that ``kubectl apply`` also removes the keys that are gone, which it does
    not do with ``stringData``.
    """
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    if sum(len(value.encode()) for value in values.values()) > _LARGEST_SECRET:
        raise ConfigurationError(K8S_LIMITS)
    if any(len(key) > 253 for key in values):
        raise ConfigurationError(K8S_LIMITS)
    entries = "".join(f"  {line}\n" for line in _entries(data))
    return f"{manifest.head}\n{entries}" if data else f"{manifest.head} {{}}\n"


def parse_k8s(text: str, *, manifest: Manifest) -> dict[str, str | None]:
    """Return the ``data`` of the Secret that *text* is, however it is written.

    Raises:
        ForeignFileError: It is not that of *manifest*, or has more than that.
        MissingExtraError: Others wrote it, and PyYAML is not installed.
    """
    own = _own_data(text, manifest)
    data = _texts(_foreign_secret(text, manifest)["data"]) if own is None else own
    try:
        return {
            key: base64.b64decode("".join((value or "").split()), validate=True).decode()
            for key, value in data.items()
        }
    except (binascii.Error, UnicodeError):
        pass
    raise ForeignFileError("the file is not a Secret of texts: fix or remove it")


def differences_beside(text: str, *, manifest: Manifest) -> list[Difference]:
    """Return how a Secret that `parse_k8s` takes differs from *manifest*, but for its data."""
    if text.startswith(manifest.head):
        return []
    metadata = _foreign_secret(text, manifest)["metadata"]
    labels = metadata.get("labels", {})
    found = [Difference("the namespace", "missing")] * (
        manifest.namespace is not None and "namespace" not in metadata
    )
    return found + [
        Difference(f"the label {key}", "changed" if key in labels else "missing")
        for key, value in manifest.labels.items()
        if labels.get(key) != value
    ]


def _own_data(text: str, manifest: Manifest) -> dict[str, str | None] | None:
    """Return the entries of a Secret that is written the way we write it, or None."""
    if not text.startswith(manifest.head):
        return None
    body = text[len(manifest.head) :]
    if body == " {}\n":
        return {}
    lines = body.removesuffix("\n").removeprefix("\n").split("\n")
    return _own_entries([line.removeprefix("  ") for line in lines])


def _foreign_secret(text: str, manifest: Manifest) -> dict[str, Any]:
    """Return the Secret that *text* is, if nothing is in it that `encode_k8s` would not write."""
    tree: dict[str, Any] = {"type": "Opaque", **_tree_of(text)}
    metadata, data = tree.get("metadata"), tree.get("data")
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}
    is_secret = tree == {**secret, "metadata": metadata, "data": data} and isinstance(data, dict)
    if is_secret and isinstance(metadata, dict) and manifest.covers(metadata):
        return tree
    del tree, metadata, data  # a traceback may show the locals of this frame
    raise ForeignFileError(
        f"it is not the Secret {manifest.name!r} with this namespace, these labels, and no more"
    )


def _tree_of(text: str) -> dict[str, Any]:
    """Return the mapping that a YAML text is, which may be written in many ways."""
    purpose = "reading a YAML file that vaultconfig did not write"
    if missing := missing_extra(purpose, ["yaml"], extra="yaml"):
        raise missing
    from vaultconfig.render.trees import tree_of  # loads PyYAML

    return tree_of(text)


def _texts(tree: Any) -> dict[str, str | None]:
    if all(isinstance(value, str) for value in tree.values()):
        return dict(tree)
    raise ForeignFileError("the file is not a mapping of texts only")


def _entries(values: Mapping[str, str]) -> list[str]:
    return [f"{_quote(key)}: {_quote(value)}" for key, value in values.items()]


def _own_entries(lines: list[str]) -> dict[str, str | None] | None:
    """Return the entries that *lines* are, if they are written the way we write them."""
    matches = [match for line in lines if (match := _ENTRY.fullmatch(line))]
    found: dict[str, str | None] = {_unquote(match[1]): _unquote(match[2]) for match in matches}
    return found if len(found) == len(lines) else None


def _quote(text: str) -> str:
    return f'"{_ESCAPED.sub(lambda match: _escape(match[0]), text)}"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return f"\\{_ESCAPES[character]}"
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _unquote(text: str) -> str:
    return _UNESCAPED.sub(_meaning, text)


def _meaning(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    return chr(int(digits, 16)) if digits else _MEANINGS.get(match[4], match[0])
