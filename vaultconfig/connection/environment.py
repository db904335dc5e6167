"""Which environment this is. Pure; in doubt it is production, so that mistakes fail closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vaultconfig.errors import ConfigurationError

VARIABLE = "VAULTCONFIG_ENVIRONMENT"
DEVELOPMENT_NAMES = frozenset({"development", "dev", "local", "test"})


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment's name in lower case, or None where it is not set."""

    name: str | None

    @property
    def is_development(self) -> bool:
        """Whether `.env` may stand in for the vault."""
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
