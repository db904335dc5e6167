"""An application for gunicorn's ``--preload``: the master loads, and keeps fresh, what hosts do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.benchmarks.fleet.hosts import live

live.start()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []
