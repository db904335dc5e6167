"""Hooks for forks, on systems that have any; on Windows nothing forks."""

from __future__ import annotations

import os
from collections.abc import Callable


def on_fork(**hooks: Callable[[], object]) -> None:
    """Have *hooks* called when this process forks: see `os.register_at_fork`."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)
