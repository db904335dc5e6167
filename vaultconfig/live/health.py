"""What may be shown of live settings: states, ages, versions and reasons, no value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vaultconfig.live.schedule import State


@dataclass(frozen=True, slots=True)
class Health:
    """How fresh the settings are; holds no value.

    Attributes:
        state: For the worst of the secrets: ``fresh``, ``stale`` (the last refresh failed, or is
            overdue), ``invalid`` (a new value does not fit), ``denied`` (the vault's own answer
            was 401, 403 or 404) or ``expired``.
        age: Of the oldest secret, in seconds since it was read.
        versions: Of the secrets in use, by path.
        last_error: What went wrong last; None once it has been fixed.
        next_refresh: Seconds until the vault is asked again; None if it is not going to be.
        expires_in: Seconds until reads raise `SettingsExpiredError`, unless a refresh comes before;
            0 or less where they do. None where nothing expires.
        source: ``store`` while a secret that is older than its ttl comes from there, else
            ``vault``; None where no secret was read.
    """

    state: State
    age: float
    versions: Mapping[str, int]
    last_error: str | None
    next_refresh: float | None
    expires_in: float | None
    source: Literal["vault", "store"] | None
