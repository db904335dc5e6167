"""When another source may stand in for the vault. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from vaultconfig.connection.environment import Environment
from vaultconfig.errors import (
    ConfigurationError,
    FieldNotFoundError,
    SecretNotFoundError,
    VaultConfigError,
    VaultUnavailableError,
    VersionNotFoundError,
)

FallbackMode: TypeAlias = Literal["development", "always", "never"]
NOT_FOUND = (SecretNotFoundError, VersionNotFoundError, FieldNotFoundError)


class NoCredentialsError(ConfigurationError):
    """Nothing is configured to show to the vault.

    Attributes:
        fields: The dotted names of those for which it would have been asked.
    """

    fields: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FallbackRule:
    """Whether `.env`, and then the default, serve a field that the vault could not give.

    Attributes:
        mode: ``vault_fallback`` of the class.
        environment: Where we are.
    """

    mode: FallbackMode
    environment: Environment

    @property
    def is_possible(self) -> bool:
        """Whether `.env` may provide a vault field at all."""
        return self.mode == "always" or self._is_development

    def covers(self, error: VaultConfigError) -> bool:
        """Whether it serves in spite of *error*."""
        if self.mode == "always":
            return isinstance(error, (NoCredentialsError, VaultUnavailableError))
        return self._is_development

    @property
    def _is_development(self) -> bool:
        return self.mode == "development" and self.environment.is_development
