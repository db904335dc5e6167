"""What the vault keeps at a path, in one version. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, NoReturn, TypeAlias

from vaultconfig.errors import VaultConfigError


class SecretKey(NamedTuple):
    """What to read: a path, in its newest version or in the one that it is pinned to."""

    path: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in one version; ``repr`` shows only which one it is.

    Attributes:
        path: Without a leading slash.
        version: Counted from 1; ScaiVault's only change token.
        data: A JSON object. Its values print as asterisks in a ``repr``.
        secret_type: A hint: ``kv``, ``json``, ``certificate``, ``ssh_key`` or ``api_key``.
        metadata: Description and tags, where the vault sent them.
        expires_at: When the secret ends, where the vault said so.
    """

    path: str
    version: int
    data: Mapping[str, Any] = field(repr=False)
    secret_type: str | None = field(default=None, repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    expires_at: datetime | None = field(default=None, repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: that would write its values down in clear")


SecretOrError: TypeAlias = Secret | VaultConfigError
"""What became of reading one secret."""
