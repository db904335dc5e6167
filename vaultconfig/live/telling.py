"""Logs the refreshes of live settings."""

from __future__ import annotations

import logging
from typing import Any

from pydantic_settings import BaseSettings

from vaultconfig.live.outcome import Outcome
from vaultconfig.live.schedule import STATES, State
from vaultconfig.loading.descriptions import described
from vaultconfig.log import say
from vaultconfig.settings import VaultSettings, overridden_fields


class Teller:
    """Logs a state that gets worse or better, and settings that have changed."""

    def __init__(self) -> None:
        self._state: State = "fresh"

    def tell_loaded(self, settings: BaseSettings) -> None:
        """Name the fields that the environment holds fixed."""
        overridden = overridden_fields(settings) if isinstance(settings, VaultSettings) else []
        if overridden:
            names = ", ".join(overridden)
            say(logging.WARNING, "not from the vault, so they will not rotate: %s", names)

    def tell(self, outcome: Outcome[Any]) -> None:
        """Log *outcome*."""
        health, before = outcome.health, self._state
        self._state = health.state
        worse = STATES.index(health.state) - STATES.index(before)
        if outcome.error is not None:
            say(
                logging.WARNING if worse > 0 else logging.DEBUG,
                "the settings were not refreshed: %s; they are %.0f s old, next try in %.0f s",
                described(outcome.error),
                health.age,
                health.next_refresh or 0.0,
            )
        if worse < 0:
            say(logging.INFO, "the settings are %s again", health.state)
        if outcome.change is not None:
            versions = (f"{path} version {v}" for path, v in outcome.change.versions.items())
            names = ", ".join(sorted(outcome.change.fields))
            say(logging.INFO, "settings changed: %s (%s)", names, ", ".join(versions))
