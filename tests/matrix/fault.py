"""What a fault is. Knows none of them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.client.scripted import Asked
from tests.matrix.world import World


def _nothing(world: World) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        begins: Makes it so.
        told: A pattern for what an error, a warning or health says about it.
        before: Prepares for it while all is well.
        lasts: Seconds after which a refresh is looked at once more.
    """

    begins: Callable[[World], None]
    told: str = ""
    before: Callable[[World], None] = _nothing
    lasts: float = 0.0


@dataclass(frozen=True)
class Interruption:
    """Something that happens to a process of its own while its request is under way.

    Attributes:
        number: The signal that it gets; None has it fork.
    """

    number: signal.Signals | None = None


@dataclass(frozen=True)
class Succession:
    """Something that happens to the process that follows the vault for all who share a store.

    Attributes:
        number: The signal that it gets.
    """

    number: signal.Signals


Trouble: TypeAlias = Fault | Interruption | Succession


def instead(reply: Callable[[World, Asked], Any], told: str = "", **more: Any) -> Fault:
    """Have *reply* make the answers to reads."""
    return Fault(lambda world: world.vault.instead(lambda asked: reply(world, asked)), told, **more)


def always(reply: Any, told: str) -> Fault:
    """Have each read answered with *reply*."""
    return instead(lambda world, asked: reply, told)
