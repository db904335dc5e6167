"""Trouble on request: which requests go wrong, how, and how often. Pure but for its lock."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from vaultconfig.devserver.paths import matches
from vaultconfig.devserver.problems import STATUS


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request that came in, as the log keeps it: names and paths, no values.

    Attributes:
        path: The URL's path.
        secrets: The secret paths it is about: the URL's, or a batch's in its order.
        event_ids: The events that it acknowledges.
        header_names: In lower case.
        connection: The client's port, which tells connections apart.
        is_reuse: Whether the connection has carried a request before.
        at: When it came, in Unix seconds.
    """

    method: str
    path: str
    query: Mapping[str, str]
    secrets: tuple[str, ...]
    event_ids: tuple[str, ...]
    header_names: frozenset[str]
    connection: int
    is_reuse: bool
    at: float

    def is_about(self, glob: str) -> bool:
        """Whether *glob* covers the URL's path (it begins with a slash) or one of the secrets."""
        if glob.startswith("/"):
            return matches(glob, self.path)
        return any(matches(glob, secret) for secret in self.secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong, and for which requests.

    One of *status*, *code*, *garbage*, *drop* and *reset* takes the place of the answer; the
    others can go with any answer.

    Attributes:
        method: The HTTP method, or ``*``.
        path: A glob over URL paths if it begins with a slash, else over secret paths.
        reused: Only requests on a connection that has carried one before.
        times: For how many requests; None until cleared.
        delay: Seconds before anything is sent.
        status: An HTTP status, with *body* as its text.
        code: One of ScaiVault's error codes, in its envelope.
        retry_after: The ``Retry-After`` header, in seconds or as a date.
        headers: More headers.
        body: A text to send in place of the true body.
        garbage: A 200 that is not JSON.
        drop: Close the connection without an answer.
        reset: Reset it without an answer (RST in place of FIN).
        truncate: Close it after half the body.
        drip: Seconds between single bytes of the body.
        lag: Read like a replica that doesn't know the last so many versions of *path* yet.
        repeat: Acknowledge nothing, and take no notice of ``since_event_id``.
    """

    method: str = "*"
    path: str = "/**"
    reused: bool = False
    times: int | None = None
    delay: float = 0.0
    status: int | None = None
    code: str | None = None
    retry_after: int | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    garbage: bool = False
    drop: bool = False
    reset: bool = False
    truncate: bool = False
    drip: float = 0.0
    lag: int = 0
    repeat: bool = False

    def __post_init__(self) -> None:
        if mistake := self._mistake():
            raise ValueError(mistake)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Return the fault that a JSON object describes.

        Raises:
            ValueError: It does not; the message says why.
        """
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(body) - set(known)):
            raise ValueError(f"no such key: {', '.join(unknown)}; there are {', '.join(known)}")
        return cls(**body)

    def concerns(self, request: LoggedRequest) -> bool:
        """Whether *request* is one that this fault is for."""
        return (
            self.method in ("*", request.method)
            and request.is_about(self.path)
            and (request.is_reuse or not self.reused)
        )

    def lag_of(self, secret: str) -> int:
        """Return how many of the last versions of *secret* a read doesn't know of."""
        return self.lag if self.path.startswith("/") or matches(self.path, secret) else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that `parse` reads."""
        return asdict(self)

    def _mistake(self) -> str | None:
        checks = {
            "method: a text": isinstance(self.method, str),
            "path: a text": isinstance(self.path, str),
            "times: a whole number from 1": self.times is None or _is_int(self.times, 1, 10**9),
            "delay: seconds": _is_seconds(self.delay),
            "drip: seconds": _is_seconds(self.drip),
            "status: 200 to 599": self.status is None or _is_int(self.status, 200, 599),
            f"code: one of {' '.join(STATUS)}": self.code is None or self.code in STATUS,
            "retry_after: seconds or a text": isinstance(self.retry_after, int | str | None),
            "headers: texts by name": _are_texts(self.headers),
            "body: a text": isinstance(self.body, str | None),
            "lag: a number of versions": _is_int(self.lag, 0, 10**9),
            "at most one of status, code, garbage, drop, reset": self._stand_ins() <= 1,
        }
        return next((expected for expected, holds in checks.items() if not holds), None)

    def _stand_ins(self) -> int:
        named = (self.status is not None, self.code is not None)
        return sum(map(bool, (*named, self.garbage, self.drop, self.reset)))


class Faults:
    """The faults that are waiting for their requests, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        """Let *fault* happen."""
        with self._lock:
            self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._waiting.clear()

    def take(self, request: LoggedRequest) -> Fault | None:
        """Return the first fault for *request*, counted as used once."""
        with self._lock:
            for index, (fault, left) in enumerate(self._waiting):
                if fault.concerns(request):
                    self._use(index, fault, left)
                    return fault
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """Return what is still to happen, with ``times`` counted down."""
        with self._lock:
            return [{**fault.as_dict(), "times": left} for fault, left in self._waiting]

    def _use(self, index: int, fault: Fault, left: int | None) -> None:
        if left == 1:
            del self._waiting[index]
        elif left is not None:
            self._waiting[index] = (fault, left - 1)


def _is_int(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < 86400


def _are_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) for pair in value.items() for text in pair
    )


NO_FAULT = Fault()
"""What happens to a request that no fault concerns."""
