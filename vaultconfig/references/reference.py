"""`VaultRef`, a parsed reference. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from vaultconfig.references import paths
from vaultconfig.references.options import OPTIONS, UNSET, checked, query
from vaultconfig.references.reader import Parts, Reader
from vaultconfig.secret import SecretKey


@dataclasses.dataclass(frozen=True, slots=True, init=False, repr=False)
class VaultRef:
    """A reference to a secret, or to one field of it.

    ``str`` gives the canonical form, which parses back to an equal value.

    Attributes:
        path: Without a leading slash; may hold ``{placeholders}``.
        field: A key, or a JSON Pointer (RFC 6901) that begins with a slash; None is the whole
            data object.
        version: Counted from 1; None is the newest.
        ttl: How long the value may be served from the cache, in seconds.
        max_stale: How long it may be served while the vault is unreachable, in seconds.
        optional: Whether a secret that does not exist falls through to the default.
        key: What to read from the vault. Stored, because each load asks for it often.
    """

    path: str
    field: str | None
    version: int | None
    ttl: float | None
    max_stale: float | None
    optional: bool
    key: SecretKey = dataclasses.field(compare=False)

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
        given = {"version": version, "ttl": ttl, "max_stale": max_stale, "optional": optional}
        options = {name: checked(name, v) for name, v in given.items() if v is not None}
        parts = Reader(text).read()
        self._set(parts._replace(options={**parts.options, **options}))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference that *text* is.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        return cls(text)

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Return the reference with these parts."""
        self = cls.__new__(cls)
        self._set(parts)
        return self

    def __str__(self) -> str:
        field = "" if self.field is None else f"#{self.field}"
        return f"vault:{self.path}{query(self._options)}{field}"

    def __hash__(self) -> int:
        # References are looked up often, and differ in their path or field: no need for the rest.
        return hash((self.path, self.field))

    def __repr__(self) -> str:
        # Half-built, as a traceback with locals finds it, it has no path yet.
        return f"VaultRef({str(self)!r})" if hasattr(self, "path") else "VaultRef(…)"

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names in braces, each once, in order."""
        return paths.placeholders(self.path) if "{" in self.path else ()

    def fill(self, variables: Mapping[str, str]) -> Self:
        """Return this reference with its placeholders replaced, each by one path segment.

        Raises:
            ConfigurationError: A variable is missing, or does not fit into a path.
        """
        if not self.placeholders:
            return self
        path = paths.fill(self.path, variables)
        return self.of(Parts(path, self.field, self._options))

    @property
    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in OPTIONS}

    def _set(self, parts: Parts) -> None:
        values = {"path": parts.path, "field": parts.field, **UNSET, **parts.options}
        for name, value in values.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "key", SecretKey(self.path, self.version))
