"""Makes our own pytest fixtures known where the package is not installed; sets up Hypothesis.

It also has the slowest tests run first, so that at the end no process works while the others wait.
"""

from __future__ import annotations

import hypothesis
import pytest

# A loaded machine is no mistake of ours.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    # Installed, they come by their entry point, under this name.
    if not config.pluginmanager.has_plugin("vaultconfig"):
        import vaultconfig.testing

        config.pluginmanager.register(vaultconfig.testing, "vaultconfig")


# Some of these take half a minute of one process. Alphabetically most of them come last.
SLOWEST = ("test_type_checkers.py", "test_rotation_under_load.py", "test_endurance.py", "/docs/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not any(name in item.nodeid for name in SLOWEST))
