"""What the tests of settings share: the requests so far, and loads that fail."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from vaultconfig.errors import UnresolvedSettingsError

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
