"""Every exception that vaultconfig raises. A message never holds a secret's value.

```text
VaultConfigError
├── ConfigurationError
│   ├── InvalidReferenceError
│   └── MissingExtraError (a ModuleNotFoundError)
├── SecretError
│   ├── SecretNotFoundError
│   ├── VersionNotFoundError
│   ├── FieldNotFoundError
│   └── AccessDeniedError
├── AuthenticationError
├── VaultUnavailableError
│   └── RateLimitedError
├── ResponseError
├── UnresolvedSettingsError (an ExceptionGroup)
└── SettingsExpiredError
```
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Self

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "ConfigurationError",
    "FieldNotFoundError",
    "InvalidReferenceError",
    "MissingExtraError",
    "RateLimitedError",
    "ResponseError",
    "SecretError",
    "SecretNotFoundError",
    "SettingFailure",
    "SettingsExpiredError",
    "UnresolvedSettingsError",
    "VaultConfigError",
    "VaultUnavailableError",
    "VersionNotFoundError",
]


class VaultConfigError(Exception):
    """The root of everything that vaultconfig raises.

    Attributes:
        request_id: The vault's id of the request, to look it up in the audit log; None where it
            gave none, or was not asked.
    """

    request_id: str | None = None

    def __init__(self, message: str = "", *, request_id: str | None = None) -> None:
        super().__init__(message if request_id is None else f"{message} [request {request_id}]")
        self.request_id = request_id

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors take keywords, which the default pickling of exceptions drops.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class ConfigurationError(VaultConfigError):
    """Something is wrong in the environment, the settings class or an argument."""


class InvalidReferenceError(ConfigurationError):
    """A reference or template that does not follow the grammar.

    Attributes:
        reference: The text as it was given.
        column: Where the mistake is, counted from 1.
        expected: What would have been right there.
    """

    def __init__(self, reference: str, *, column: int, expected: str) -> None:
        super().__init__(
            f"invalid reference {_up_to(reference, column)!r}: column {column}: expected {expected}"
        )
        self.reference = reference
        self.column = column
        self.expected = expected


class MissingExtraError(ConfigurationError, ModuleNotFoundError):
    """A module that an extra of this package installs is missing.

    Attributes:
        name: The first of them, as each `ImportError` has it.
    """

    def __init__(self, purpose: str, *, missing: Sequence[str], extra: str) -> None:
        needs = " and ".join(missing)
        super().__init__(f"{purpose} needs {needs}: pip install 'scaivault-config[{extra}]'")
        self.name: str = missing[0]


def missing_extra(purpose: str, needs: Sequence[str], *, extra: str) -> MissingExtraError | None:
    """Return the error to raise if a module of *needs* is not installed; they are not imported."""
    missing = [name for name in needs if find_spec(name) is None]
    return MissingExtraError(purpose, missing=missing, extra=extra) if missing else None


class SecretError(VaultConfigError):
    """The vault answered, but did not return this secret.

    Attributes:
        path: The secret's path.
    """

    def __init__(self, message: str, *, path: str, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.path = path


class SecretNotFoundError(SecretError):
    """There is no secret at this path."""

    def __init__(self, path: str, *, request_id: str | None = None) -> None:
        super().__init__(
            f"there is no secret at {path}: create it, or correct the path",
            path=path,
            request_id=request_id,
        )


class VersionNotFoundError(SecretError):
    """The secret exists, but not (or no longer) in this version.

    Attributes:
        version: The one that was asked for.
    """

    def __init__(self, path: str, version: int, *, request_id: str | None = None) -> None:
        super().__init__(
            f"{path} has no version {version} (any more): pin another version, or remove the pin",
            path=path,
            request_id=request_id,
        )
        self.version = version


_MOST_NAMES: Final = 30


class FieldNotFoundError(SecretError):
    """The secret exists without the field of the reference, or the reference names no field.

    Attributes:
        field: The missing field, or None where the reference has to name one.
        available: The fields that the secret has.
    """

    def __init__(
        self,
        path: str,
        field: str | None,
        *,
        available: Collection[str],
        request_id: str | None = None,
    ) -> None:
        known = sorted(available)
        names = [name if name.isprintable() else ascii(name) for name in known[:_MOST_NAMES]]
        more = f" and {len(known) - len(names)} more" if len(known) > len(names) else ""
        has = f"it has {', '.join(names)}{more}" if names else "there are no fields"
        problem = (
            f"a single value is needed: name a field of {path} after '#'"
            if field is None
            else f"{path} has no field {field!r}"
        )
        super().__init__(f"{problem}: {has}", path=path, request_id=request_id)
        self.field = field
        self.available: tuple[str, ...] = tuple(known)


NOT_FOUND: Final = (SecretNotFoundError, VersionNotFoundError, FieldNotFoundError)
"""The vault's answers that something does not exist: an optional reference allows that."""


class AccessDeniedError(SecretError):
    """The credentials are valid, and may not read (or write) this secret.

    Attributes:
        code: The vault's error code.
    """

    def __init__(
        self,
        path: str,
        *,
        code: str = "access_denied",
        advice: str | None = None,
        request_id: str | None = None,
    ) -> None:
        advice = advice or "ask for a policy that allows it"
        super().__init__(
            f"the vault denies access to {path} ({code}): {advice}",
            path=path,
            request_id=request_id,
        )
        self.code = code


class AuthenticationError(VaultConfigError):
    """The vault rejects the credentials, or denies the request as a whole.

    Attributes:
        code: The vault's error code, or None where it gave none.
    """

    def __init__(
        self, message: str, *, code: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.code = code


class VaultUnavailableError(VaultConfigError):
    """No usable answer in time."""


class RateLimitedError(VaultUnavailableError):
    """The vault asks for a pause.

    Attributes:
        retry_after: Seconds to wait, as the vault said, or None where it did not.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after


class ResponseError(VaultConfigError):
    """The answer breaks the protocol: not JSON, a redirect, too large."""


@dataclass(frozen=True, slots=True)
class SettingFailure:
    """One setting that could not be resolved.

    Attributes:
        field: Dotted, as in ``database.password``.
        reference: As it was declared, or None where it could not be read.
        error: What went wrong.
        variable: The environment variable that holds the reference, if one does.
    """

    field: str
    reference: str | None
    error: VaultConfigError
    variable: str | None = None

    def __str__(self) -> str:
        return f"{self.setting}: {self.error}"

    @property
    def setting(self) -> str:
        """The field, with its variable and reference as far as they are known."""
        variable = "" if self.variable is None else f" in {self.variable}"
        reference = "" if self.reference is None else f" ({self.reference})"
        return f"{self.field}{variable}{reference}"


class UnresolvedSettingsError(VaultConfigError, ExceptionGroup[VaultConfigError]):
    """Every setting that failed, one or many, so that all can be fixed at once.

    ``str`` has a line for each. A traceback prints the errors themselves, so that their lines are
    left out of its head. ``except*``, ``split`` and ``derive`` keep the types.

    Attributes:
        failures: One for each setting.
        hint: What to do about all of them together, if there is something.
    """

    failures: tuple[SettingFailure, ...]
    hint: str | None

    def __new__(cls, failures: Iterable[SettingFailure], *, hint: str | None = None) -> Self:
        """Collect *failures*, at least one."""
        failures = tuple(failures)
        count = "1 setting" if len(failures) == 1 else f"{len(failures)} settings"
        self = super().__new__(
            cls, f"{count} could not be resolved", [failure.error for failure in failures]
        )
        self.failures, self.hint = failures, hint
        for failure in failures:
            if failure.setting not in getattr(failure.error, "__notes__", ()):
                failure.error.add_note(failure.setting)
        return self

    def __init__(self, failures: Iterable[SettingFailure], *, hint: str | None = None) -> None:
        pass  # all is set by ``__new__``, as exception groups have it

    def __str__(self) -> str:
        hint = [] if self.hint is None else [self.hint]
        if _is_for_a_traceback():
            fields = ", ".join(failure.field for failure in self.failures)
            return "; ".join([f"{self.message}: {fields}", *hint])
        return "\n".join([f"{self.message}:", *(f"  {f}" for f in self.failures), *hint])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failures,), {"hint": self.hint}

    def derive(self, excs: Sequence[VaultConfigError]) -> UnresolvedSettingsError:  # type: ignore[override]
        """Return the part of this group that holds *excs*."""
        kept = {id(exc) for exc in excs}
        failures = [failure for failure in self.failures if id(failure.error) in kept]
        return UnresolvedSettingsError(failures, hint=self.hint)


class SettingsExpiredError(VaultConfigError):
    """The last good snapshot is older than ``max_stale`` allows."""


def closest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the one of *known* that may be meant by *name*, or None if none is similar enough."""
    from difflib import get_close_matches  # late, because only a mistake needs it

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)


def _is_for_a_traceback() -> bool:
    """Whether `str` was called by the code that prints tracebacks, which prints all errors below.

    There is no other way to know: a traceback takes its first line from `str`, as a log does, and
    the errors below it from the group, and neither can be overridden for a traceback alone.
    """
    try:
        asking = sys._getframe(2).f_globals.get("__name__")
    except ValueError:  # nothing but the interpreter, for an uncaught exception
        return True
    return asking in {"traceback", "threading"}


def _up_to(reference: str, column: int) -> str:
    """Return *reference* up to the mistake: the text of a template around it may be secret."""
    start = max(0, reference.rfind("${vault:", 0, column + 8))
    end = max(column, start + 8)
    start = max(start, end - 200)
    before, after = "…" * (start > 0), "…" * (end < len(reference))
    return f"{before}{reference[start:end]}{after}"
