"""Our source of pydantic-settings.

In a class that derives from ``BaseSettings`` itself it is the last one, which fills in what the
others left. It returns nothing: it replaces the state that pydantic-settings hands on, so that
values stay out of the debug log of sources. In a `VaultSettings` class it is not called: it says
where to ask (see `arranging`).
"""

from __future__ import annotations

import copy
from typing import Any

from pydantic_settings import BaseSettings

from vaultconfig.connection.env_files import DotEnvFiles
from vaultconfig.errors import UnresolvedSettingsError, VaultConfigError
from vaultconfig.loading.checks import complete
from vaultconfig.loading.layers import ARGUMENT, DOTENV, Layer
from vaultconfig.loading.made import failures_of_coercion
from vaultconfig.loading.places import merged, not_too_deep
from vaultconfig.source.gathering import LAYER_NAMES, Gathered
from vaultconfig.source.meeting import Given, Purpose, surrounding
from vaultconfig.source.situation import DEFAULT_ENV_FILE, Situation, fallback_rule
from vaultconfig.source.texts import AsWritten
from vaultconfig.source.upstream import SharedSource


class VaultSettingsSource(SharedSource):
    """Fills the fields that carry references; the last source of a settings class.

    `VaultSettings` brings it along. A class that derives from ``BaseSettings`` itself returns it
    as the last source from ``settings_customise_sources``; it then gets the values, but neither
    the masking nor the cleaned errors.

    Args:
        settings_cls: The settings class.
        environment: The environment's name, over `VAULTCONFIG_ENVIRONMENT` and the class.
        env_file: The `.env` that may hold the connection in development; the class's own
            where None is given, else the one in the working directory.
        encoding: Of that file; the class's own where None is given.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        *,
        environment: str | None = None,
        env_file: DotEnvFiles = None,
        encoding: str | None = None,
    ) -> None:
        super().__init__(settings_cls)
        complete(settings_cls)
        self.environment = environment
        self._env_file = env_file
        self._encoding = encoding
        self.purpose: Purpose = Purpose()

    def for_purpose(self, purpose: Purpose) -> VaultSettingsSource:
        """Return the same source for another purpose."""
        other = copy.copy(self)
        other.purpose = purpose
        return other

    def completed(
        self, environment: str | None, *, env_file: DotEnvFiles, encoding: str | None
    ) -> VaultSettingsSource:
        """Return the same source in *environment*, with the rest where it has nothing itself."""
        other = copy.copy(self)
        other.environment = environment or self.environment
        other._env_file = env_file if self._env_file is None else self._env_file
        other._encoding = self._encoding or encoding
        return other

    def situation(self) -> Situation:
        """Return where a load runs now; a source can outlive it, and the environment change."""
        env_file, encoding = self._env_file, self._encoding
        if env_file is None:
            env_file = self.config.get("env_file") or DEFAULT_ENV_FILE
        rule = fallback_rule(self.config, self.environment)
        rule = rule._replace(mode=self.purpose.fallback or rule.mode)
        encoding = encoding or self.config.get("env_file_encoding")
        return Situation(self.settings_cls, rule, env_file, encoding)

    def __call__(self) -> dict[str, Any]:
        """Fill the vault's fields in; nothing is returned.

        Raises:
            VaultConfigError: See `vaultconfig.errors`. Without a traceback of its own: the
                frames below hold tokens.
        """
        failure: VaultConfigError | None = None
        state, loads = self.current_state, surrounding.get()
        try:
            situation = self.situation()
            given = Given(situation, self.purpose, Gathered(self._layers(situation)))
            report = given.run() if loads is None else loads.first(given)
        except VaultConfigError as error:
            failure = error.with_traceback(None)
        else:
            state.clear()
            state.update(report.state)
            if self.purpose.look is not None:
                self.purpose.look(report)
        self.forget()
        if failure is not None:
            raise failure
        return {}

    @not_too_deep
    def _layers(self, situation: Situation) -> list[Layer]:
        """Return what pydantic-settings has kept of the other sources of a plain class."""
        states = self.settings_sources_data.items()
        layers = [Layer(LAYER_NAMES.get(name, name), data) for name, data in states]
        if self.config.get("vault_resolve_values") is not False:
            arguments = next((layer.data for layer in layers if layer.source == ARGUMENT), {})
            coerced = failures_of_coercion(self.settings_cls, self.current_state, arguments)
            if coerced:
                raise UnresolvedSettingsError(coerced)
        as_written = AsWritten(situation.env_file, situation.encoding)
        layers = [x._replace(as_written=as_written) if x.source == DOTENV else x for x in layers]
        # Of two sources of one class it keeps the data of one; the state has both.
        if merged([{}, *(layer.data for layer in reversed(layers))]) != self.current_state:
            above = [layer for layer in layers if layer.is_above]
            below = [layer for layer in layers if not layer.is_above]
            layers = [*above, Layer("other sources", dict(self.current_state)), *below]
        return layers
