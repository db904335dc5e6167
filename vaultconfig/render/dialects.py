"""The formats that can be rendered, by name. Pure.

A dialect turns values into the text of a file, and proves, by reading it back by the dialect's
own rules, that the values are in it; what it cannot hold is an error that names the key. A new one
is a row of `_DOCUMENTS`, its functions in a module beside this one, and a row of
docs/reference/dialects.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from vaultconfig.errors import ConfigurationError
from vaultconfig.masking.values import mask
from vaultconfig.render import dotenv, lines, structured
from vaultconfig.render.rules import (
    Difference,
    ForeignFileError,
    cannot_hold,
    check,
    reject_references,
    shown_name,
)

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"  # RFC 1123
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_NAMESPACE = re.compile(rf"(?=.{{1,63}}\Z){_LABEL}")
_LABEL_TEXT = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


class Dialect(Protocol):
    """How one kind of file holds values."""

    @property
    def name(self) -> str:
        """As the command line knows it."""

    def parse(self, text: str) -> dict[str, str | None]:
        """Return the values in *text*; None for a name without one."""

    def update(self, existing: str, values: Mapping[str, str]) -> str:
        """Return the file *existing* with *values* in it, checked by reading it back."""

    def compare(self, existing: str, values: Mapping[str, str]) -> list[Difference]:
        """Return in which keys *existing* is not what `update` would make of it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A dialect whose files hold nothing but our values, and are written anew each time.

    Attributes:
        name: As the command line knows it.
        encode: Writes all values; raises a ConfigurationError for what it cannot write.
        parse: Reads them back.
        limits: What it cannot hold, for the error.
        beside: Compares what a file has beside its values.
        environment: Whether it becomes an environment, which holds no NUL characters, and where
            our own loader looks for references. A file of data that others wrote is ours where it
            holds our keys alone; one for an environment is not.
    """

    name: str
    encode: Callable[[Mapping[str, str]], str]
    parse: Callable[[str], dict[str, str | None]]
    limits: str = "it does not read back equal"
    environment: bool = True
    beside: Callable[[str], list[Difference]] = lambda _: []

    def update(self, existing: str, values: Mapping[str, str]) -> str:
        """Return the text that holds *values*, and nothing of *existing*.

        Raises:
            ConfigurationError: Names the keys that the dialect cannot hold.
        """
        check(values, dialect=self.name, nul=not self.environment)
        if self.environment:
            reject_references(values)
        text = self._encoded(values)
        if text is None:
            unfit = [key for key, value in values.items() if self._encoded({key: value}) is None]
            raise cannot_hold(unfit or list(values), dialect=self.name, limits=self.limits)
        masked: str = mask(text)  # hidden from tracebacks that show locals
        return masked

    def check_ours(self, existing: str, values: Mapping[str, str]) -> None:
        """Check that *existing*, written anew with *values*, loses nothing but its spelling.

        Raises:
            ForeignFileError: It would.
            ConfigurationError: That takes a library that is not installed.
        """
        if self.wrote(existing):
            return
        if self.environment:
            raise ForeignFileError(f"the format {self.name} is replaced whole")
        others = [shown_name(key) for key in self.parse(existing) if key not in values]
        if others:
            raise ForeignFileError(f"it also has {', '.join(dict.fromkeys(others))}")

    def wrote(self, existing: str) -> bool:
        """Whether *existing* is what this dialect writes, to the byte."""
        try:
            present = {key: value or "" for key, value in self.parse(existing).items()}
            return self.encode(present) == existing
        except ConfigurationError:
            return False

    def compare(self, existing: str, values: Mapping[str, str]) -> list[Difference]:
        """Return in which keys *existing* differs from *values*; also those that it has too many.

        Raises:
            ForeignFileError: *existing* is not of this dialect.
            ConfigurationError: That takes a library that is not installed.
        """
        if not existing.strip():
            return [Difference(key, "missing") for key in values]
        present = self.parse(existing)
        wanted = [
            Difference(key, "changed" if key in present else "missing")
            for key, value in values.items()
            if present.get(key) != value
        ]
        extra = dict.fromkeys(shown_name(key) for key in present if key not in values)
        return [*self.beside(existing), *wanted, *(Difference(name, "extra") for name in extra)]

    def _encoded(self, values: Mapping[str, str]) -> str | None:
        try:
            text = self.encode(values)
            return text if self.parse(text) == values else None
        except ConfigurationError:
            return None


_DOCUMENTS: Final = {
    document.name: document
    for document in (
        Document("shell", lines.encode_shell, lines.parse_shell, limits=lines.SHELL_LIMITS),
        Document("docker", lines.encode_docker, lines.parse_docker, limits=lines.DOCKER_LIMITS),
        Document("json", structured.encode_json, structured.parse_json, environment=False),
        Document("yaml", structured.encode_yaml, structured.parse_yaml, environment=False),
    )
}

FORMATS: Final = ("dotenv", *_DOCUMENTS, "k8s")
"""The names that `dialect` knows; the first is the default."""


def dialect(
    name: str,
    *,
    secret_name: str = "app-secrets",  # noqa: S107 - a name
    namespace: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Dialect:
    """Return the dialect called *name*, one of ``FORMATS``.

    Args:
        name: As on the command line.
        secret_name: What the Secret of ``k8s`` is called; an RFC 1123 subdomain.
        namespace: Of that Secret; an RFC 1123 label.
        labels: Of that Secret, by Kubernetes' rules.

    Raises:
        ConfigurationError: There is no such format, or no Secret can have that name, namespace
            or label.
    """
    if name == "dotenv":
        return dotenv
    if name in _DOCUMENTS:
        return _DOCUMENTS[name]
    if name != "k8s":
        raise ConfigurationError(f"there is no format {name!r}: use {', '.join(FORMATS)}")
    manifest = structured.Manifest(secret_name, namespace, labels or {})
    _check_manifest(manifest)
    return Document(
        "k8s",
        partial(structured.encode_k8s, manifest=manifest),
        partial(structured.parse_k8s, manifest=manifest),
        limits=structured.K8S_LIMITS,
        environment=False,
        beside=partial(structured.differences_beside, manifest=manifest),
    )


def _check_manifest(manifest: structured.Manifest) -> None:
    """Reject what Kubernetes would reject."""
    if not _SUBDOMAIN.fullmatch(manifest.name):
        raise ConfigurationError(
            f"{manifest.name!r} cannot name a Secret: use lower-case letters, digits, '-' and '.'"
        )
    if manifest.namespace is not None and not _NAMESPACE.fullmatch(manifest.namespace):
        raise ConfigurationError(
            f"{manifest.namespace!r} is not a valid namespace: use up to 63 lower-case letters, "
            "digits and '-'"
        )
    for key, value in manifest.labels.items():
        prefix, slash, name = key.rpartition("/")
        if not _LABEL_TEXT.fullmatch(name) or (slash and not _SUBDOMAIN.fullmatch(prefix)):
            raise ConfigurationError(
                f"{key!r} is not a valid label: use NAME or DOMAIN/NAME, the name with up to 63 "
                "letters, digits, '-', '_' and '.'"
            )
        if value and not _LABEL_TEXT.fullmatch(value):
            raise ConfigurationError(
                f"the label {key} cannot have the value {value!r}: use up to 63 letters, digits, "
                "'-', '_' and '.', with a letter or digit at both ends"
            )
