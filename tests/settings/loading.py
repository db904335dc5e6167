"""What the tests of settings share: the requests so far, and loads that fail."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from vaultconfig.errors import UnresolvedSettingsError

TOKEN = "vault:app#token"

Asked: TypeAlias = Callable[[], list[tuple[str, tuple[str, ...]]]]
"""Gives the requests so far: the method, and the secrets it is about, sorted."""


def unresolved(load: Callable[[], object]) -> UnresolvedSettingsError:
    """Return the error that *load* ends with; its text is not what pytest would match."""
    with pytest.raises(UnresolvedSettingsError) as caught:
        load()
    return caught.value


def reasons(load: Callable[[], object]) -> dict[str, str]:
    """Return the type of the error for each field that *load* can't resolve."""
    return {f.field: type(f.error).__name__ for f in unresolved(load).failures}


def connect(monkeypatch: pytest.MonkeyPatch, *, url: str, token: str) -> None:
    """Let settings read from the vault at *url*, with patience for a busy machine."""
    monkeypatch.setenv("SCAIVAULT_URL", url)
    monkeypatch.setenv("SCAIVAULT_TOKEN", token)
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", "60s")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
