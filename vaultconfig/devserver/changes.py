"""Changing secrets so that subscribers hear of it. Pure."""

from __future__ import annotations

from vaultconfig.devserver.contents import Entry, Place
from vaultconfig.devserver.drafts import Draft
from vaultconfig.devserver.instance import Instance, timestamp
from vaultconfig.devserver.problems import ApiError

GRACE_PERIOD = 48 * 3600.0
"""Seconds that ScaiVault keeps the old version of a rotated secret readable, by default."""


def write(
    instance: Instance, place: Place, draft: Draft, *, by: str, is_rotation: bool = False
) -> Entry:
    """Write a version, and tell of it: as created, or as updated."""
    now = instance.clock()
    entry = instance.contents.put(place, draft, now=now)
    if entry.first == entry.latest:
        _publish(instance, "secret.created", place, version=entry.latest, created_by=by)
        return entry
    versions = {"old_version": entry.latest - 1, "new_version": entry.latest}
    _publish(instance, "secret.updated", place, **versions, updated_by=by, is_rotation=is_rotation)
    if is_rotation:
        _publish(
            instance,
            "secret.rotated",
            place,
            **versions,
            rotation_policy_id=entry.rotation_policy_id,
            grace_period_ends=timestamp(now + GRACE_PERIOD),
        )
    return entry


def rotate(instance: Instance, place: Place, draft: Draft, *, by: str) -> Entry:
    """Write a version as a rotation, which comes as updated and as rotated.

    Raises:
        ApiError: ``secret_not_found``: there is nothing to rotate.
    """
    instance.contents.entry(place)
    return write(instance, place, draft, by=by, is_rotation=True)


def delete(instance: Instance, place: Place, *, by: str) -> None:
    """Delete softly, and tell of it; raise `ApiError` if there is nothing."""
    entry = instance.contents.delete(place)
    _publish(
        instance, "secret.deleted", place, version=entry.latest, deleted_by=by, permanent=False
    )


def announce_expiry(instance: Instance, place: Place, *, threshold: int) -> None:
    """Tell that a secret expires within *threshold* days.

    Raises:
        ApiError: ``secret_not_found``, or ``validation_error`` if it does not expire at all.
    """
    _, version = instance.contents.find(place)
    if version.expires_at is None:
        raise ApiError("validation_error", f"{place[1]} does not expire")
    _publish(
        instance,
        "secret.expiring",
        place,
        expires_at=timestamp(version.expires_at),
        days_remaining=int((version.expires_at - instance.clock()) // 86400),
        threshold=threshold,
    )


def _publish(instance: Instance, event_type: str, place: Place, **data: object) -> None:
    instance.subscriptions.publish(
        event_type, tenant=place[0], path=place[1], now=instance.clock(), data=data
    )
