"""Which environment this is, and when `.env` may stand in for the vault there. Pure.

In doubt it is production, so that mistakes fail closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from vaultconfig.errors import ConfigurationError, VaultConfigError, VaultUnavailableError

VARIABLE: Final = "VAULTCONFIG_ENVIRONMENT"
DEVELOPMENT_NAMES: Final = frozenset({"development", "dev", "local", "test"})

FallbackMode: TypeAlias = Literal["development", "always", "never"]


class Environment(NamedTuple):
    """The environment's name in lower case, or None where it is not set."""

    name: str | None

    @property
    def is_development(self) -> bool:
        """Whether its name is one of `DEVELOPMENT_NAMES`."""
        return self.name in DEVELOPMENT_NAMES

    def __str__(self) -> str:
        return self.name or "production (no environment is set)"


def current_environment(
    argument: str | None, *, declared: str | None, environ: Mapping[str, str]
) -> Environment:
    """Decide which environment this is: argument, then variable, then class.

    Args:
        argument: ``_vault_environment`` of ``Settings()``.
        declared: ``vault_environment`` of the class.
        environ: The process environment; never what a `.env` file says.

    Raises:
        ConfigurationError: The name stands in quotes, which something has kept there.
    """
    given = {
        "_vault_environment": argument,
        VARIABLE: environ.get(VARIABLE),
        "vault_environment": declared,
    }
    for origin, name in given.items():
        if name is not None and name.strip():
            if name.strip()[0] in "\"'":
                raise ConfigurationError(f"{origin} has quotes around its value: remove them")
            return Environment(name.strip().lower())
    return Environment(None)


def check_declared(name: str | None) -> None:
    """Reject a development name in a class, which would ship with it.

    Raises:
        ConfigurationError: *name* is one of `DEVELOPMENT_NAMES`.
    """
    if name is not None and name.strip().lower() in DEVELOPMENT_NAMES:
        raise ConfigurationError(
            f"vault_environment={name!r} in a settings class would ship to production:"
            f" export {VARIABLE}={name} on your own machine instead"
        )


class NoCredentialsError(ConfigurationError):
    """Nothing is configured to show to the vault.

    Attributes:
        fields: The dotted names of those for which it would have been asked.
    """

    fields: Sequence[str] = ()


class FallbackRule(NamedTuple):
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
