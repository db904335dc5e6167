"""One ScaiVault: its secrets, identities, limits, subscriptions and clock; and what tests want.

Secrets are changed here, so that subscribers hear of each change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vaultconfig.devserver.answers import ApiError, timestamp
from vaultconfig.devserver.bodies import Draft, EventType
from vaultconfig.devserver.contents import Contents, Entry, Place
from vaultconfig.devserver.faults import Faults, Hold, LoggedRequest
from vaultconfig.devserver.identities import Identities
from vaultconfig.devserver.limits import RateLimits
from vaultconfig.devserver.subscriptions import Subscriptions

GRACE_PERIOD = 48 * 3600.0
"""Seconds that ScaiVault keeps the old version of a rotated secret readable, by default."""


@dataclass(slots=True, kw_only=True)
class Instance:
    """What the endpoints work on.

    Attributes:
        clock: Gives the time in Unix seconds.
        quickstart_only: Whether it knows nothing beyond ScaiVault's Quickstart.
        requests: Those so far.
        holds: Where the next ones wait.
        faults: What is to happen to the next ones.
    """

    contents: Contents
    limits: RateLimits
    clock: Callable[[], float]
    quickstart_only: bool
    identities: Identities = field(default_factory=Identities)
    subscriptions: Subscriptions = field(init=False)
    requests: list[LoggedRequest] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        """Make the subscriptions, which need the identities."""
        self.subscriptions = Subscriptions(self.identities)

    def write(self, place: Place, draft: Draft, *, by: str, is_rotation: bool = False) -> Entry:
        """Write a version; subscribers hear that it was created, or updated and maybe rotated."""
        now = self.clock()
        entry = self.contents.put(place, draft, now=now)
        if entry.first == entry.latest:
            self._publish("secret.created", place, version=entry.latest, created_by=by)
            return entry
        versions = {"old_version": entry.latest - 1, "new_version": entry.latest}
        self._publish("secret.updated", place, **versions, updated_by=by, is_rotation=is_rotation)
        if is_rotation:  # which comes as both, as in ScaiVault
            self._publish(
                "secret.rotated",
                place,
                **versions,
                rotation_policy_id=entry.rotation_policy_id,
                grace_period_ends=timestamp(now + GRACE_PERIOD),
            )
        return entry

    def delete(self, place: Place, *, by: str) -> None:
        """Delete softly; raise `ApiError` if there is nothing."""
        version = self.contents.delete(place).latest
        self._publish("secret.deleted", place, version=version, deleted_by=by, permanent=False)

    def announce_expiry(self, place: Place, *, threshold: int) -> None:
        """Tell subscribers that a secret expires within *threshold* days.

        Raises:
            ApiError: ``secret_not_found``, or ``validation_error`` if it does not expire at all.
        """
        _, version = self.contents.find(place)
        if version.expires_at is None:
            raise ApiError("validation_error", f"{place[1]} does not expire")
        self._publish(
            "secret.expiring",
            place,
            expires_at=timestamp(version.expires_at),
            days_remaining=int((version.expires_at - self.clock()) // 86400),
            threshold=threshold,
        )

    def _publish(self, event_type: EventType, place: Place, **data: object) -> None:
        self.subscriptions.publish(event_type, place, now=self.clock(), data=data)
