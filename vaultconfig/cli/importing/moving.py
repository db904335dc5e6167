"""Writes many secrets: those that the vault does not have yet, inside its limit of writes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from vaultconfig.client import VaultClient
from vaultconfig.errors import ConfigurationError, SecretNotFoundError
from vaultconfig.secret import Secret

State = Literal["new", "there", "differs"]

_WRITES: Final = 90  # a minute; ScaiVault allows 100 an identity, which others may share
_MINUTE: Final = 60.0
PATIENCE: Final = 90.0
"""Seconds that the client may wait where the limit is used up all the same: it is per minute."""


@dataclass(frozen=True, slots=True)
class Move:
    """A secret to write.

    Attributes:
        data: Our fields of it.
        state: ``there`` is one that has them already, ``new`` one that has other fields at most.
        present: What the vault has at that path now.
    """

    path: str
    data: Mapping[str, str] = field(repr=False)
    state: State
    present: Mapping[str, object] = field(repr=False)


def moves_for(client: VaultClient, secrets: Mapping[str, Mapping[str, str]]) -> list[Move]:
    """Return what there is to do to have *secrets*, fields by path, in the vault.

    Raises:
        SecretError: One can't be read, so it is unknown what writing it would destroy.
        VaultConfigError: See `VaultClient.read_many`.
    """
    answers = client.read_many(list(secrets))
    moves = []
    for path, data in secrets.items():
        answer = answers[path]
        if isinstance(answer, SecretNotFoundError):
            moves.append(Move(path, data, "new", {}))
        elif isinstance(answer, Secret):
            held = {name: answer.data[name] for name in data if name in answer.data}
            differs = any(value != data[name] for name, value in held.items())
            state: State = "differs" if differs else "there" if len(held) == len(data) else "new"
            moves.append(Move(path, data, state, answer.data))
        else:
            raise answer
    return moves


class Pace:
    """Lets so many writes pass a minute, in any minute.

    Args:
        clock: Seconds that only grow.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        limit: int = _WRITES,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._times: deque[float] = deque(maxlen=limit)

    def wait(self) -> None:
        """Return when the next one may start."""
        if len(self._times) == self._times.maxlen:
            self._sleep(max(0.0, self._times[0] + _MINUTE - self._clock()))
        self._times.append(self._clock())


def written(client: VaultClient, moves: Sequence[Move], pace: Pace) -> Iterator[Move]:
    """Write *moves*, and yield each when it is done.

    What else a secret holds, it keeps.

    Raises:
        ConfigurationError: Another writer has changed one since it was compared, such as while the
            question was open.
        VaultConfigError: What stopped it; what was yielded is in the vault.
    """
    for move in moves:
        pace.wait()
        [now] = moves_for(client, {move.path: move.data})
        if now.present != move.present:
            raise ConfigurationError(
                f"another writer has changed {move.path} in the meantime, so it stays as it is: "
                "run the command again"
            )
        client.write(move.path, {**move.present, **move.data})
        yield move
