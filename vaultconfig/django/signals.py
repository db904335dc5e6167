"""The signal that tells a Django project of a change. A receiver that fails stops no other."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.dispatch import Signal

from vaultconfig.log import say


class _DiscreetSignal(Signal):
    """A signal that logs a failed receiver without its message, and calls the others."""

    def _log_robust_failure(self, receiver: Callable[..., Any], err: BaseException) -> None:
        # Django logs the message, which may quote a value that the receiver was given.
        receiver = inspect.unwrap(receiver)  # an object that is called has no name to wrap it with
        name = getattr(receiver, "__qualname__", type(receiver).__name__)
        say(logging.ERROR, "the receiver %s raised %s", name, type(err).__name__)

    def _live_receivers(self, sender: object) -> tuple[Any, ...]:
        called, *awaited = super()._live_receivers(sender)
        return [self._contained(receiver) for receiver in called], *awaited

    def _contained(self, receiver: Callable[..., Any]) -> Callable[..., Any]:
        """Return *receiver* as one that can't end with SystemExit, which Django lets through."""

        @wraps(receiver)
        def contained(**named: Any) -> Any:
            try:
                return receiver(**named)
            except Exception:
                raise
            except BaseException as error:
                self._log_robust_failure(receiver, error)

        return contained


vault_refreshed: Signal = _DiscreetSignal()
"""Sent after each change: *sender* is the settings class, *change* a `vaultconfig.Change`.

It is sent by ``send_robust``, usually in a thread of the live settings.
"""
