"""The signal that tells a Django project of a change. A receiver that raises harms nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.dispatch import Signal

logger = logging.getLogger("vaultconfig")


class _DiscreetSignal(Signal):
    """A signal that keeps to itself what a receiver says when it fails."""

    def _log_robust_failure(self, receiver: Callable[..., Any], err: Exception) -> None:
        # Django logs the message, which may quote a value that the receiver was given.
        name = getattr(receiver, "__qualname__", type(receiver).__name__)
        logger.error("the receiver %s raised %s", name, type(err).__name__)


vault_refreshed = _DiscreetSignal()
"""Sent after each change: *sender* is the settings class, *change* a `vaultconfig.Change`.

It is sent in the thread that found the change, by ``send_robust``.
"""
