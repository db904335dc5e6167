"""Makes our own pytest fixtures known where the package is not installed; sets up Hypothesis.

It also has each process begin with some of the slowest tests, so that at the end none works alone.
"""

from __future__ import annotations

import os

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


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tries end a request, not its deadline: what works before is not in a hurry.

    A deadline short enough for a test that waits for its end is, on a loaded machine, too short
    for an answer.
    """
    from vaultconfig.client import attempts

    monkeypatch.setattr(attempts, "MOST_TRIES", 1)


# Single tests in these take up to half a minute.
SLOWEST = (
    *("/docs/", "test_type_checkers.py", "test_rotation_under_load.py", "test_forks.py"),
    *("kubernetes/test_store.py", "test_processes.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = [item for item in items if any(name in item.nodeid for name in SLOWEST)]
    others = [item for item in items if not any(name in item.nodeid for name in SLOWEST)]
    # Each process begins with an equal part of all tests, in this order.
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ends = [len(others) * part // count for part in range(count + 1)]
    parts = [slow[part::count] + others[ends[part] : ends[part + 1]] for part in range(count)]
    items[:] = [item for part in parts for item in part]
