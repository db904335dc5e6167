"""Makes our own pytest fixtures known where the package is not installed; sets up Hypothesis."""

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
