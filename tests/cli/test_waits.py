"""A command that waits for the vault says so."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Project


@pytest.mark.parametrize("command", [("check",), ("render", "-o", "-"), ("run", "--", "true")])
def test_a_refused_port_is_told_at_once(project: Project, command: tuple[str, ...]) -> None:
    """What failed, and for how long it is tried again: no command waits in silence."""
    project.declare('token: Annotated[str, "vault:app#token"]')
    name, *options = command
    ended = project.run(
        name,
        "app:Settings",
        *options,
        env={
            "SCAIVAULT_URL": "http://127.0.0.1:1",
            "SCAIVAULT_TOKEN": "t",
            "VAULTCONFIG_DEADLINE": "2.5",
            "VAULTCONFIG_ENVIRONMENT": "production",
        },
    )
    assert ended.code == 6
    first = ended.err.splitlines()[0]
    assert first.startswith("http://127.0.0.1:1: no connection (Connection refused): ")
    assert first.endswith("; trying again for up to 2 s")


def test_in_development_check_does_not_wait_for_long(project: Project) -> None:
    """It has the deadline of development, within which nothing has to be told of waiting."""
    project.declare('token: Annotated[str, "vault:app#token"]')
    ended = project.run(
        "check",
        "app:Settings",
        env={
            "SCAIVAULT_URL": "http://127.0.0.1:1",
            "SCAIVAULT_TOKEN": "t",
            "VAULTCONFIG_ENVIRONMENT": "development",
        },
    )
    assert ended.code == 6
    assert "trying again" not in ended.err
