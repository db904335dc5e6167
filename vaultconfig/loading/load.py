"""One load of a settings class: what it needs, what the vault says, what goes where. Pure.

It knows the values of all sources and the rules of precedence and fallback. It does not know
pydantic-settings, nor the vault: both meet in `source`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from vaultconfig.connection.environment import FallbackRule, NoCredentialsError
from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.filling import Answers, ReadText
from vaultconfig.loading.layers import Layer
from vaultconfig.loading.merging import Merge
from vaultconfig.loading.placeholders import Placeholders
from vaultconfig.loading.places import not_too_deep
from vaultconfig.loading.precedence import Precedence
from vaultconfig.loading.report import Report
from vaultconfig.references import VaultRef

Ask: TypeAlias = Callable[[Sequence[VaultRef]], Answers]
"""Reads references from the vault: returns an answer to each."""


class Load:
    """One load of the settings class *model*.

    Args:
        layers: What its sources gave, highest first.
        rule: When `.env` may stand in for the vault.
        read_text: See `ReadText`.
        variables: ``vault_variables`` of the class.
        resolves_values: Whether references that stand as values count.
        extra: Whether they do under keys of no field, too.
    """

    def __init__(
        self,
        model: type,
        layers: Sequence[Layer],
        *,
        rule: FallbackRule,
        read_text: ReadText,
        variables: Mapping[str, str],
        resolves_values: bool,
        extra: bool,
    ) -> None:
        self.model = model
        self._layers = layers
        self._rule = rule
        self._read_text = read_text
        self._resolves_values = resolves_values
        self._extra = extra
        self._placeholders = Placeholders(
            model, layers, variables=variables, environment=rule.environment
        )

    @not_too_deep
    def run(self, ask: Ask) -> Report:
        """Return what becomes of each field.

        Args:
            ask: Called once for all that is needed, and once more only for what an object from
                the vault has brought in; not at all where nothing is.

        Raises:
            VaultConfigError: Whatever *ask* raises.
        """
        answers: dict[VaultRef, Any] = {}
        while True:
            report = Report(self.model, answers)
            precedence = Precedence(
                report,
                rule=self._rule,
                fill_placeholders=self._placeholders.fill,
                read_text=self._read_text,
                resolves_values=self._resolves_values,
            )
            merge = Merge(report, precedence)
            report.state = merge.settings(self.model, self._layers, extra=self._extra)
            if precedence.unanswered:
                try:
                    answers |= ask(list(precedence.unanswered))
                except NoCredentialsError as error:
                    error.fields = precedence.needed
                    raise
                if precedence.needs_another_walk:
                    continue
                merge.finish()
            if report.failures:
                order = {field.name: n for n, field in enumerate(fields_of(self.model))}
                report.failures.sort(key=lambda f: order.get(f.field.partition(".")[0], len(order)))
            return report
