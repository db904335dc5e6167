"""Who is told what a refresh brought, and in which words. A listener that raises harms nobody."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from pydantic_settings import BaseSettings

from vaultconfig.live.change import Change
from vaultconfig.live.health import Outcome, describe
from vaultconfig.live.metrics import count_refresh
from vaultconfig.settings import VaultSettings, fixed_fields

T = TypeVar("T", bound=BaseSettings)

logger = logging.getLogger("vaultconfig")


class Listeners(Generic[T]):
    """The callbacks of one settings object, and its lines in the log."""

    def __init__(self) -> None:
        self._on_change: list[tuple[frozenset[str] | None, Callable[[Change[T]], object]]] = []
        self._on_error: list[Callable[[Exception], object]] = []
        self._is_failing = False
        self.after_fork()

    def after_fork(self) -> None:
        """Forget in a child that another thread of its parent may be telling something."""
        self._telling = threading.Lock()

    def on_change(
        self, listener: Callable[[Change[T]], object], fields: Collection[str] | None
    ) -> None:
        """Call *listener* with each change that concerns *fields*; None is all of them."""
        self._on_change.append((None if fields is None else frozenset(fields), listener))

    def on_error(self, listener: Callable[[Exception], object]) -> None:
        """Call *listener* with each error."""
        self._on_error.append(listener)

    def tell(self, outcomes: deque[Outcome[T]]) -> None:
        """Tell everyone of *outcomes*, one by one and in their order, and take them out.

        Where another thread is at it, or a listener of this one, that goes on with them.
        """
        while outcomes and self._telling.acquire(blocking=False):
            try:
                while outcomes:
                    self._tell(outcomes.popleft())
            finally:
                self._telling.release()

    def tell_loaded(self, settings: T) -> None:
        """Count the first load, and name the fields that the environment holds fixed."""
        count_refresh(failed=False)
        fixed = fixed_fields(settings) if isinstance(settings, VaultSettings) else []
        if fixed:
            names = ", ".join(fixed)
            logger.warning("not from the vault, so they will not rotate: %s", names)

    def _tell(self, outcome: Outcome[T]) -> None:
        health = outcome.health
        count_refresh(failed=outcome.error is not None)
        if outcome.error is not None:
            logger.warning(
                "the settings were not refreshed: %s; they are %.0f s old, next try in %.0f s",
                describe(outcome.error),
                health.age,
                health.next_refresh or 0.0,
            )
            self._tell_error(outcome.error)
        elif self._is_failing and health.state == "fresh":
            logger.info("the settings are fresh again")
        self._is_failing = health.state != "fresh"
        if outcome.change is not None:
            self._tell_change(outcome.change)

    def _tell_change(self, change: Change[T]) -> None:
        logger.info("settings changed: %s", ", ".join(sorted(change.fields)))
        for fields, listener in list(self._on_change):
            if not change.concerns(fields):
                continue
            try:
                listener(change)
            except Exception as error:
                self._report(listener, error)
                self._tell_error(error)

    def _tell_error(self, error: Exception) -> None:
        for listener in list(self._on_error):
            try:
                listener(error)
            except Exception as other:
                self._report(listener, other)

    def _report(self, listener: Callable[..., object], error: Exception) -> None:
        # Not its message, which may quote a value that the listener was given.
        name = getattr(listener, "__qualname__", type(listener).__name__)
        logger.error("the listener %s raised %s", name, type(error).__name__)
