"""What the vault said of a secret at one time, as it is stored. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from vaultconfig.errors import (
    AccessDeniedError,
    SecretNotFoundError,
    VaultUnavailableError,
    VersionNotFoundError,
)
from vaultconfig.masking.values import DEEPEST, masked_json, unmask
from vaultconfig.references import as_json
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.store.shelf import FUTURE, UnusableError

Stored: TypeAlias = Secret | SecretNotFoundError | VersionNotFoundError
"""A secret, or that there is none: both are answers. A request that was rejected is not one."""

Verdict: TypeAlias = Stored | AccessDeniedError
"""What the vault itself says of a secret."""

SAME: Final = 0.1
"""Seconds between two times that may be of one moment, by one clock that is read at either end."""

_MOST_DENIALS: Final = 2  # in a row; one may be a policy that is being edited


class Entry(NamedTuple):
    """An answer, and when it was given.

    Attributes:
        answer: What the vault said.
        read_at: When it was asked, in Unix seconds.
        denials: How often in a row it has denied the secret since.
        older_since: When it first answered with an older version after that, in Unix seconds.
    """

    answer: Stored
    read_at: float
    denials: int = 0
    older_since: float | None = None


class News(NamedTuple):
    """What the vault has said.

    Attributes:
        answer: A secret, that there is none, or that it is denied; a VaultUnavailableError stands
            for a version that is older than one before.
        read_at: When it was asked, in Unix seconds.
        ttl: Seconds for which an older version does not replace a newer one.
        keep: Seconds for which anything may serve it.
    """

    answer: Verdict | VaultUnavailableError
    read_at: float
    ttl: float
    keep: float


def is_newer(answer: object, read_at: float, *, than: object, at: float) -> bool:
    """Whether *answer* replaces an answer that was given at another time.

    The clocks of two hosts may differ by some seconds: within these the version decides.
    """
    later = read_at - at
    if isinstance(answer, Secret) and isinstance(than, Secret) and answer.version != than.version:
        return answer.version > than.version and later > -FUTURE
    return later > SAME


def successor(old: Entry | None, news: News) -> Entry | None:
    """Return what is to be stored: *old* itself where *news* change nothing, None for nothing."""
    answer = news.answer
    # An entry from the future counts for its version, but not for its time.
    is_late = old is not None and news.read_at < old.read_at <= news.read_at + FUTURE
    if isinstance(answer, AccessDeniedError):
        if old is not None and (is_late or old.denials + 1 < _MOST_DENIALS):
            return old if is_late else old._replace(denials=old.denials + 1)
        return None
    if isinstance(answer, VaultUnavailableError):
        return old and old._replace(older_since=old.older_since or news.read_at)
    if old is not None:
        if not (isinstance(answer, Secret) and isinstance(old.answer, Secret)):
            return old if is_late else Entry(answer, news.read_at)
        goes_back = answer.version < old.answer.version
        is_meant = old.older_since is not None and news.read_at - old.older_since >= news.ttl
        if (goes_back and not is_meant) or (is_late and answer.version == old.answer.version):
            return old
    return Entry(answer, news.read_at)


def text_of(entry: Entry, key: SecretKey) -> bytes:
    """Return *entry* of *key* as JSON, in which numbers keep their digits."""
    answer = entry.answer
    fields: dict[str, Any] = {
        "path": key.path,
        "pin": key.version,
        "read_at": entry.read_at,
        "denials": entry.denials,
        "older_since": entry.older_since,
    }
    if isinstance(answer, Secret):
        fields["secret"] = {
            "version": answer.version,
            "data": answer.data,
            "type": answer.secret_type,
            "metadata": answer.metadata,
            "expires_at": answer.expires_at and answer.expires_at.isoformat(),
        }
    else:
        fields["is_secret_missing"] = isinstance(answer, SecretNotFoundError)
    return as_json(fields).encode("utf-8", "surrogatepass")  # as `json.loads` decodes


def entry_in(plain: bytes, key: SecretKey, *, oldest: float, now: float) -> Entry:
    """Return the entry of *key* that *plain* is.

    Args:
        plain: As `text_of` made it.
        key: That it has to be of.
        oldest: When it has to have been read, in Unix seconds.
        now: In Unix seconds.

    Raises:
        UnusableError: It is not of this secret, too old, or from the future.
    """
    fields = masked_json(plain, levels=DEEPEST + 2)  # those around the data
    if not isinstance(fields, dict) or [*key] != [fields.get("path"), fields.get("pin")]:
        raise UnusableError("not of this secret")
    read_at = float(fields["read_at"])
    if read_at > now + FUTURE:
        raise UnusableError("from the future: compare the clocks of the hosts")
    if read_at <= oldest:
        raise UnusableError("older than max_stale")
    denials, older_since = unmask([fields["denials"], fields["older_since"]])
    return Entry(_answer_in(fields, key), read_at, denials, older_since)


def _answer_in(fields: dict[str, Any], key: SecretKey) -> Stored:
    if "secret" not in fields:
        if fields["is_secret_missing"] or key.version is None:
            return SecretNotFoundError(key.path)
        return VersionNotFoundError(key.path, key.version)
    secret = fields["secret"]
    kind, ends = secret["type"], secret["expires_at"]
    return Secret(
        path=key.path,
        version=int(secret["version"]),
        data=secret["data"],
        secret_type=None if kind is None else str(kind),
        metadata=secret["metadata"],
        expires_at=ends and datetime.fromisoformat(ends),
    )
