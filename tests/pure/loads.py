"""Loads with the vault's answers at hand, for tests of what a load makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vaultconfig.connection.environment import Environment, FallbackMode, FallbackRule
from vaultconfig.errors import FieldNotFoundError, SecretNotFoundError, VaultConfigError
from vaultconfig.loading.fields import ModelField
from vaultconfig.loading.filling import ReadText
from vaultconfig.loading.layers import DOTENV, Layer
from vaultconfig.loading.load import Load
from vaultconfig.loading.report import Report
from vaultconfig.masking.values import mask
from vaultconfig.references import Resolved, VaultRef
from vaultconfig.secret import Secret


class Answering:
    """Answers from *secrets*, by path, and notes each question; an error there is the answer."""

    def __init__(self, secrets: Mapping[str, Any], version: int = 1) -> None:
        self.secrets = secrets
        self.version = version
        self.asked: list[list[str]] = []

    def __call__(self, references: Sequence[VaultRef]) -> dict[VaultRef, Any]:
        self.asked.append([str(reference) for reference in references])
        return {reference: self._answer(reference) for reference in references}

    def _answer(self, reference: VaultRef) -> Resolved | VaultConfigError:
        path, field = reference.path, reference.field
        data = self.secrets.get(path, SecretNotFoundError(path))
        if isinstance(data, VaultConfigError):
            return data
        if field is not None and field not in data:
            return FieldNotFoundError(path, field, available=list(data))
        value = data if field is None else data[field]
        return Resolved(mask(value), Secret(path, self.version, {}))


def as_it_is(_field: ModelField, text: str) -> Any:
    """Take a text from the vault as the value."""
    return text


def load(
    model: type,
    layers: Sequence[Layer],
    vault: Answering,
    *,
    mode: FallbackMode = "never",
    environment: str | None = "production",
    resolves_values: bool = True,
    extra: bool = False,
    read_text: ReadText = as_it_is,
) -> Report:
    """Return what becomes of *model*."""
    return Load(
        model,
        layers,
        rule=FallbackRule(mode, Environment(environment)),
        read_text=read_text,
        variables={},
        resolves_values=resolves_values,
        extra=extra,
    ).run(vault)


def above(**data: Any) -> Layer:
    """Return what the arguments gave, which counts more than the vault."""
    return Layer("argument", data)


def below(**data: Any) -> Layer:
    """Return what a secrets directory gave, which counts less."""
    return Layer("secrets directory", data)


def dotenv(**data: Any) -> Layer:
    """Return what `.env` gave."""
    return Layer(DOTENV, data)


def told(report: Report) -> list[str]:
    """Return where each value came from, and what else *report* tells, without values."""
    facts: dict[str, list[str]] = {}
    for name, origin in report.origins.items():
        facts.setdefault(origin.source, []).append(name)
    for need, error in report.outcomes:
        if error is not None:
            facts.setdefault(type(error).__name__, []).append(need.name)
    facts |= {
        "failed": [failure.field for failure in report.failures],
        "fell back": [failure.field for failure in report.fell_back],
        "overridden": report.overridden,
        "shut out": report.shut_out,
        "null": sorted(report.nulls),
        "handed on": ["once"] * len(report.handed_on),
        "factories": ["called"] if report.has_called_factories else [],
    }
    return [f"{title}: {' '.join(names)}" for title, names in facts.items() if names]
