"""Which variables of a `.env` look like secrets, and which of them belong together. Pure.

By their names, and by the shape of their values; ``--secret`` and ``--plain`` overrule it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_TELLING: Final = (
    r"(?:PASSWORD|PASSWD|PASS|PWD|PASSPHRASE|SECRET|TOKEN|KEY|APIKEY|CREDENTIALS?|DSN|SALT"
    r"|WEBHOOK_URL|CONNECTION_STRING)"
)
_COMPANION: Final = r"(?:USER|USERNAME|LOGIN|CLIENT_ID|KEY_ID|ACCOUNT_SID)"
_QUALIFIER: Final = (
    r"(?:(?:CLIENT|SECRET|ACCESS|PRIVATE|API|WEBHOOK|SIGNING|ENCRYPTION|AUTH|REFRESH|BEARER)_)*"
)
_FIELD = re.compile(rf"{_QUALIFIER}(?:{_TELLING}|{_COMPANION})", re.IGNORECASE)
_IN_GROUP = re.compile(rf"(?P<group>.+?)_(?P<field>{_FIELD.pattern})", re.IGNORECASE)
# Several, or one of several, too; but not MAX_TOKENS, nor PASSWORD_LENGTH.
_SECRET_NAME = re.compile(
    rf"(?:(?:.*_)?{_TELLING}|.*(?:PASSWORD|PASSWD|PASSPHRASE|PASSCODE|SECRET|CREDENTIAL)S?"
    r"|.*(?:TOKEN|APIKEY)|(?:.*_)?(?:API|ACCESS|SECRET|PRIVATE|SIGNING|ENCRYPTION)_KEYS)",
    re.IGNORECASE,
)
# What tells one secret from another of the same kind: SECRET_KEY_BASE, DB_PASSWORD_OLD, API_KEY_2.
_VARIANT = re.compile(
    r"(?:_(?:OLD|NEW|PREVIOUS|CURRENT|NEXT|FALLBACKS?|BACKUP|BASE|BASE64|B64)|_?V?\d{1,3}){1,3}$",
    re.IGNORECASE,
)
_COMPANION_NAME = re.compile(rf"(?:.*_)?{_COMPANION}", re.IGNORECASE)
_PUBLIC_NAME = re.compile(
    r"(?:.*_)?(?:PUBLIC|PUBLISHABLE|CACHE|SORT|PARTITION|PRIMARY)_KEY", re.IGNORECASE
)
_PLAIN_VALUE = re.compile(
    r"(?:|true|false|yes|no|on|off|null|none|(?:\.{0,2}|~)/[\w./-]+)", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"""
    .*://[^/\s:@]*:[^/\s@]+@                  # an address with a password in it
    | .*-----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | (?:sk|rk|pk)[_-](?:live|test)[_-]\w+ | gh[pousr]_\w+ | github_pat_\w+ | glpat-\S+
    | (?:.*[\s;?&])?(?i:password|passwd|pwd|secret|token|api_?key)=[^\s;&]  # libpq, ODBC, a query
    | .*"(?i:\w*(?:password|passwd|secret|token))"\s*:\s*"[^"]             # in JSON
    | (?:.*:\s*)?(?i:bearer|basic)\s+[\w.~+/-]{8,}=*\Z                     # a header of HTTP
    | xox[abprs]-\S+ | AKIA[0-9A-Z]{16} | eyJ[\w-]+\.[\w-]+\.[\w-]+
    """,
    re.VERBOSE | re.DOTALL,
)
_ADDRESS_NAME = re.compile(r"(?:.*_)?(?:DSN|CONNECTION_STRING)", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[.-]")  # of dbPassword and db.password
_FOREIGN = re.compile(r"[^a-z0-9]+")
_NO_GROUP: Final = "app"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a variable goes: a field of a secret, which others may share."""

    key: str
    group: str
    field: str


@dataclass(frozen=True, slots=True)
class Sorting:
    """What becomes of the variables of a file.

    Attributes:
        secret: Those that go into the vault.
        plain: Those that stay.
    """

    secret: Sequence[Destination] = field(default=())
    plain: Sequence[str] = field(default=())


def sort(
    values: Mapping[str, str], *, secret: Collection[str] = (), plain: Collection[str] = ()
) -> Sorting:
    """Return which of *values* are secrets, and in which group.

    Args:
        values: The variables of a `.env`.
        secret: Keys that are secrets, whatever they look like.
        plain: Keys that are not.
    """
    found = {
        key: destination(key)
        for key, value in values.items()
        if key in secret or (key not in plain and looks_secret(key, value))
    }
    groups = {place.group for place in found.values()}
    companions = {
        key: place
        for key, value in values.items()
        if key not in found
        and key not in plain
        and value
        and _COMPANION_NAME.fullmatch(_words_of(key))
        and (place := destination(key)).group in groups
    }
    found |= companions
    return Sorting(
        [found[key] for key in values if key in found], [key for key in values if key not in found]
    )


def looks_secret(key: str, value: str) -> bool:
    """Whether a variable is likely to be a secret."""
    if _PLAIN_VALUE.fullmatch(value):
        return False
    if _SECRET_VALUE.match(value):
        return True
    return has_secret_name(key)


def has_secret_name(key: str) -> bool:
    """Whether what is called *key* is likely to be a secret, whatever its value."""
    words = _VARIANT.sub("", _words_of(key))
    return bool(_SECRET_NAME.fullmatch(words)) and not _PUBLIC_NAME.fullmatch(words)


def looks_secret_beside(key: str, text: str) -> bool:
    """Whether *text*, what a variable has beside other secrets in it, is likely to be one too."""
    if _ADDRESS_NAME.fullmatch(_words_of(key)) or not re.search(r"\w", text):
        return bool(_SECRET_VALUE.match(text))
    return looks_secret(key, text)


def destination(key: str) -> Destination:
    """Return the group that *key* belongs to, and its name in it."""
    words = _words_of(key)
    match = None if _FIELD.fullmatch(words) else _IN_GROUP.fullmatch(words)
    if match:
        group, name = match["group"], match["field"]
    elif _FIELD.fullmatch(words) or "_" not in words:
        group, name = _NO_GROUP, words
    else:
        group, _, name = words.rpartition("_")
    # What a path and a reference in a template can hold.
    group = _FOREIGN.sub("-", group.lower()).strip("-")
    return Destination(key, group or _NO_GROUP, _FOREIGN.sub("_", name.lower()))


def _words_of(key: str) -> str:
    return _BETWEEN_WORDS.sub("_", key)
