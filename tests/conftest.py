"""Makes our own pytest fixtures known where the package is not installed."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Installed, they come by their entry point, under this name.
    if not config.pluginmanager.has_plugin("vaultconfig"):
        import vaultconfig.testing

        config.pluginmanager.register(vaultconfig.testing, "vaultconfig")
