"""What one refresh has come to, for the log and the listeners. Unlike `Health` it holds values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic_settings import BaseSettings

from vaultconfig.live.change import Change
from vaultconfig.live.health import Health

T = TypeVar("T", bound=BaseSettings)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """The result of one refresh.

    Attributes:
        change: What it has changed, if anything.
        error: What went wrong, if that has not been reported before.
        has_failed: Whether anything went wrong.
        health: That after it.
    """

    change: Change[T] | None
    error: Exception | None = field(repr=False)
    has_failed: bool
    health: Health
