"""What became of each field in a load: values, origins and failures. Pure.

Provenance, the warnings in the log, ``check``, ``refs`` and the errors read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vaultconfig.errors import SettingFailure, VaultConfigError
from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.given import DEFAULT, VAULT, Provenance
from vaultconfig.loading.needs import Need


class Report:
    """What became of the settings class *model* in one load.

    Attributes:
        state: Its input, as far as there is any; the vault's values are masked.
        answers: What the vault said to each reference.
        outcomes: What was left to the vault, and what stood in the way; None is a value.
        failures: The settings that nothing fills, in the order of the class.
        replaced: Those that something else fills, though the vault should have.
        origins: Where each value came from, by dotted name.
        values: What came from the vault, masked.
        nulls: The names of those that are null there.
        fixed: The annotated fields that a higher source gives, which never rotate.
        shut_out: The annotated fields that a `.env` has, and may not provide.
    """

    def __init__(self, model: type[Any], answers: Answers) -> None:
        self.model = model
        self.answers = answers
        self.state: dict[str, Any] = {}
        self.outcomes: list[tuple[Need, VaultConfigError | None]] = []
        self.failures: list[SettingFailure] = []
        self.replaced: list[SettingFailure] = []
        self.origins: dict[str, Provenance] = {}
        self.values: list[Any] = []
        self.nulls: set[str] = set()
        self.fixed: list[str] = []
        self.shut_out: list[str] = []

    def kept(self) -> Origins:
        """Return what settings keep of it."""
        return Origins(self.origins, tuple(self.fixed))


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the values of one settings object came from.

    All are equal, because settings with the same values are, wherever those came from.

    Attributes:
        by_name: By dotted name.
        fixed: The annotated fields that a higher source gave.
    """

    by_name: dict[str, Provenance] = field(default_factory=dict, compare=False)
    fixed: tuple[str, ...] = field(default=(), compare=False)

    def from_vault(self) -> frozenset[str]:
        """Return the dotted names of the fields that hold something from the vault."""
        return frozenset(n for n, origin in self.by_name.items() if origin.source == VAULT)

    def provenance(self, model: type) -> dict[str, Provenance]:
        """Return where each field of a settings class came from, by dotted name."""
        roots = {name.partition(".")[0] for name in self.by_name}
        defaults = {f.name: Provenance(DEFAULT) for f in fields_of(model) if f.name not in roots}
        return dict(sorted((self.by_name | defaults).items()))
