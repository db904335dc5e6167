"""Where the value of each field came from: sources, paths and versions, never a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_settings import BaseSettings

from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.needs import REFERENCE_KEY, describe
from vaultconfig.loading.places import leaves_of

VAULT = "vault"
DEFAULT = "default"
ABOVE_THE_VAULT: Final = frozenset({"argument", "command line", "environment"})


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the value of a field came from.

    Attributes:
        source: ``argument``, ``command line``, ``environment``, ``vault``, ``.env``,
            ``secrets directory``, ``default``, or the class name of another source.
        secrets: Path and version of each secret in it; several in a template, mostly none.
    """

    source: str
    secrets: tuple[tuple[str, int], ...] = ()

    @property
    def path(self) -> str | None:
        """The path of the (first) secret."""
        return self.secrets[0][0] if self.secrets else None

    @property
    def version(self) -> int | None:
        """The version of the (first) secret."""
        return self.secrets[0][1] if self.secrets else None


@dataclass(slots=True)
class LoadRecord:
    """What one load of a settings class has left behind.

    All are equal, because settings with the same values are, wherever those came from.

    Attributes:
        layers: What each source gave, lowest first, without values: see `inputs.keys_only`.
        filled: What came of the fields that the vault was to fill, by dotted name.
    """

    layers: list[tuple[str, Any]] = field(default_factory=list, compare=False)
    filled: dict[str, Provenance] = field(default_factory=dict, compare=False)

    def from_vault(self) -> frozenset[str]:
        """Return the dotted names of the fields that hold something from the vault."""
        return frozenset(n for n, origin in self.filled.items() if origin.source == VAULT)


def provenance_of(model: type, record: LoadRecord) -> dict[str, Provenance]:
    """Return where each field of a settings class came from, by dotted name."""
    found: dict[str, Provenance] = {}
    for source, keys in record.layers:
        found |= dict.fromkeys(names_in(model, keys), Provenance(source))
    found |= record.filled
    roots = {name.partition(".")[0] for name in found}
    found |= {p.name: Provenance(DEFAULT) for p in fields_of(model) if p.name not in roots}
    return dict(sorted(found.items()))


def variable_name(model: type[BaseSettings], name: str) -> str:
    """Return the environment variable for the field called *name*, dotted, of *model*."""
    first, *inner = name.split(".")
    config = model.model_config
    key = next((str(p.places[0][0]) for p in fields_of(model) if p.name == first), first)
    prefix = config.get("env_prefix") or "" if key == first else ""
    delimiter = config.get("env_nested_delimiter")
    text = prefix + (delimiter.join([key, *inner]) if delimiter else key)
    return text if config.get("case_sensitive") else text.upper()


def fixed_in(model: type, record: LoadRecord) -> list[str]:
    """Name the fields whose annotation carries a reference, and which a higher source gives."""
    given = [keys for source, keys in record.layers if source in ABOVE_THE_VAULT]
    names = {name for keys in given for name in annotated_in(model, keys)}
    return sorted(names - record.filled.keys())


def annotated_in(model: type, keys: Any) -> list[str]:
    """Name the fields of *model* whose annotation carries a reference and which *keys* hold."""
    described = [describe(model, place) for place in leaves_of(keys)]
    return [name for name, plan in described if plan is not None and plan.declared is not None]


def names_in(model: type, keys: Any) -> list[str]:
    """Return the dotted names of the fields of *model* that *keys* hold a value for."""
    places = [place for place in leaves_of(keys) if place[-1] != REFERENCE_KEY]
    described = [describe(model, place) for place in places]
    return [name for name, plan in described if plan is not None or "." in name]
