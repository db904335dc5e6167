"""What happens when a process forks, in a written order; on Windows nothing forks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")
Room: TypeAlias = Literal["sockets", "vaults", "live settings"]

ORDER: Final[tuple[Room, ...]] = (
    "sockets",  # first, while they are still known: closed here, and open in the parent
    "vaults",  # whose requests the parent's threads are waiting for
    "live settings",  # last, because they may ask at once, and then a vault of the child's own
)
"""The order in which the rooms begin anew in a child; that of their imports has no part in it."""

_hooks: dict[Room, Callable[[], object]] = {}
_importing = RLock()


def in_forked_child(room: Room, begin_anew: Callable[[], object]) -> None:
    """Have *begin_anew* called in each forked child, when it is the turn of *room*.

    No room has a hook before a fork: none has a lock that a child could find locked.
    """
    _hooks[room] = begin_anew


def import_undisturbed(modules: Iterable[str]) -> None:
    """Import *modules* late, while no other thread can fork.

    A child would wait for ever for the thread that was importing, which it does not have.
    """
    with _importing:
        for module in modules:
            import_module(module)


def validate_undisturbed(model: type[Model], values: object) -> Model:
    """Return what *model*, which may have ``defer_build``, makes of *values*.

    No other thread can fork meanwhile: pydantic has a lock for the building of all models, and
    some inside that it takes when it validates for the first time, which a child might find held.

    Raises:
        pydantic.ValidationError: They do not fit.
    """
    with _importing:
        if not model.__pydantic_complete__:
            model.model_rebuild()
        return model.model_validate(values)


def _in_child() -> None:
    _importing.release()
    with ExitStack() as stack:  # which runs all of them, in reverse, even if one raises
        for room in reversed(ORDER):
            if room in _hooks:
                stack.callback(_hooks[room])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_in_child
    )
