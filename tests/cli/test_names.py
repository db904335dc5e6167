"""Variables that nothing reads, though their names say that they are ours."""

from __future__ import annotations

from tests.cli.conftest import CANARY, Project, only_lines
from vaultconfig.devserver import DevServer


def test_a_misspelt_variable(project: Project, vault: DevServer) -> None:
    """The check has a note about it, which names the variable that was meant, and no value."""
    vault.put("db", {"user": "app"})
    project.declare('user: Annotated[str, "vault:db#user"]')
    ended = project.run("check", "app:Settings", env={"SCAIVAULT_TOKN": CANARY})
    told = "Note: SCAIVAULT_TOKN is not a variable of vaultconfig: did you mean SCAIVAULT_TOKEN?"
    assert ended.code == 0, ended.err
    assert told in only_lines(ended)
    assert CANARY not in ended.out + ended.err
