"""Hooks for forks, on systems that have any; on Windows nothing forks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from threading import RLock

_importing = RLock()


def on_fork(**hooks: Callable[[], object]) -> None:
    """Have *hooks* called when this process forks: see `os.register_at_fork`."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)


def import_undisturbed(modules: Iterable[str]) -> None:
    """Import *modules* late, while no other thread can fork.

    A child would wait for ever for the thread that was importing, which it does not have.
    """
    with _importing:
        for module in modules:
            import_module(module)


on_fork(
    before=_importing.acquire,
    after_in_parent=_importing.release,
    after_in_child=_importing.release,
)
