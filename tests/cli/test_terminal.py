"""What a person types and sees: a real terminal, and keys pressed in it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import pexpect
import pytest

from tests.cli.conftest import CANARY, COMMAND, Project
from vaultconfig.devserver import DevServer

PATH = "environments/production/salesforce/api-credentials"
PROMPT = "ready> "


class Terminal:
    """A shell in a terminal, where ``vaultconfig`` is the command under test."""

    def __init__(self, project: Project) -> None:
        environ = {**project.environ, "PS1": PROMPT, "TERM": "dumb", "COLUMNS": "200"}
        self._child = pexpect.spawn(
            "/bin/sh", [], cwd=str(project.path), env=environ, timeout=30, dimensions=(50, 200)
        )
        self._child.expect_exact(PROMPT)
        self.type(f'vaultconfig() {{ {" ".join(COMMAND)} "$@"; }}')

    def type(self, line: str, *answers: tuple[str, str]) -> str:
        """Type a line, answer what is asked, and return what stood on the screen after that."""
        self._child.sendline(line)
        self._child.expect_exact("\r\n")
        for question, answer in answers:
            self._child.expect(question)
            self._child.sendline(answer)
        self._child.expect_exact(PROMPT)
        shown = self._child.before
        assert isinstance(shown, bytes)
        return shown.decode()

    def close(self) -> None:
        self._child.close(force=True)


@pytest.fixture
def terminal(project: Project) -> Iterator[Terminal]:
    opened = Terminal(project)
    yield opened
    opened.close()


def test_the_quickstart(terminal: Terminal, vault: DevServer) -> None:
    """The six steps of ScaiVault's Quickstart, typed: same results, versions included."""
    assert "identity: dev-admin" in terminal.type("vaultconfig whoami")

    written = terminal.type(
        f"vaultconfig put {PATH} client_id=3MVG9 client_secret=- --description 'Salesforce API'",
        ("client_secret: ?", f"{CANARY}-1"),
    )
    assert f"{PATH}: version 1 (new)" in written
    assert CANARY not in written

    read = terminal.type(f"vaultconfig get '{PATH}#client_secret' --reveal")
    assert f"{CANARY}-1" in read

    updated = terminal.type(
        f"vaultconfig put {PATH} client_id=3MVG9 client_secret=-",
        ("client_secret: ?", f"{CANARY}-2"),
    )
    assert f"{PATH}: version 2\r\n" in updated
    assert f"{CANARY}-2" in terminal.type(f"vaultconfig get '{PATH}#client_secret' --reveal")

    old = terminal.type(f"vaultconfig get '{PATH}?version=1#client_secret' --reveal")
    assert f"{CANARY}-1" in old

    listed = terminal.type("vaultconfig ls environments/production")
    assert re.search(rf"PATH +VERSION .*\r\n{PATH} +2 +kv ", listed)


def test_get_asks_for_reveal(terminal: Terminal, vault: DevServer) -> None:
    """On a terminal a value is not shown by accident; in a pipe it comes out."""
    vault.put("db", {"x": CANARY})
    shown = terminal.type("vaultconfig get db#x; echo code $?")
    assert CANARY not in shown
    assert "--reveal" in shown
    assert "code 2" in shown
    assert CANARY in terminal.type("vaultconfig get db#x | cat")


def test_put_asks_whether_to_keep_the_rest(terminal: Terminal, vault: DevServer) -> None:
    """On a terminal a secret with other fields keeps them, unless the answer is no."""
    vault.put("db", {"user": "app"})
    question = r"db has other fields: user. Keep them\? \[Y/n\]: ?"
    terminal.type("vaultconfig put db password=-", ("password: ?", CANARY), (question, ""))
    shown = terminal.type("vaultconfig get db | cat")
    assert ('"user"' in shown, '"password"' in shown) == (True, True)
    question = r"db has other fields: user. Keep them\? \[Y/n\]: ?"
    shown = terminal.type("vaultconfig put db password=-", ("password: ?", CANARY), (question, "n"))
    assert "no longer in it: user; version 2 has them" in shown
    assert '"user"' not in terminal.type("vaultconfig get db | cat")


def test_rm_asks(terminal: Terminal, project: Project, vault: DevServer) -> None:
    """On a terminal it asks first, and no is no."""
    vault.put("db", {"x": "y"})
    assert "Nothing was deleted" in terminal.type("vaultconfig rm db", (r"Delete db\?", "n"))
    assert project.run("get", "db#x").out == "y"
    assert "db: deleted" in terminal.type("vaultconfig rm db", (r"Delete db\?", "y"))
    assert "there is no secret at db" in terminal.type("vaultconfig rm db")


def test_check_is_a_table(terminal: Terminal, project: Project, vault: DevServer) -> None:
    """On a terminal the fields are a table with a header, and a summary ends it."""
    project.declare('user: Annotated[str, "vault:db#user"]', "debug: bool = False")
    vault.put("db", {"user": CANARY})
    shown = terminal.type("vaultconfig check app:Settings")
    assert re.search(r"  FIELD +STATUS +SOURCE +VERSION +REFERENCE\r\n", shown)
    assert re.search(r"✓ user +ok +vault +1 +vault:db#user\r\n✓ debug +ok +default\r\n", shown)
    assert shown.endswith("\r\n2 fields: 2 ok\r\n")
    assert "app:Settings in production (no environment is set), dev-admin at http" in shown
    assert CANARY not in shown
    assert re.search(
        r"user +vault:db#user +annotation", terminal.type("vaultconfig refs app:Settings")
    )


def test_diff_is_a_table(terminal: Terminal, project: Project, vault: DevServer) -> None:
    """On a terminal there is a header, and the status alone has a colour."""
    project.declare('user: Annotated[str, "vault:{environment}/db#user"]')
    vault.put("staging/db", {"user": f"{CANARY}1"})
    vault.put("production/db", {"user": f"{CANARY}2"})
    shown = terminal.type("TERM=xterm vaultconfig diff staging production app:Settings")
    assert "FIELD  STATUS   staging  production  REFERENCE\r\n" in shown
    line = "1        1           vault:{environment}/db#user\r\n"
    assert f"user   \x1b[33mdiffers\x1b[0m  {line}" in shown
    assert "staging and production: 1 field: 1 differs" in shown
    assert CANARY not in shown
    shown = terminal.type("NO_COLOR=1 vaultconfig diff staging production app:Settings")
    assert f"user   differs  {line}" in shown
    shown = terminal.type("COLUMNS=60 vaultconfig diff staging production app:Settings")
    assert "FIELD  STATUS   staging  production\r\n" in shown


def test_ctrl_c_is_quiet(project: Project, vault: DevServer) -> None:
    """Ctrl-C at a question or while waiting ends the command by that signal, without a word."""
    args = [*COMMAND[1:], "put", "db", "x=-"]
    child = pexpect.spawn(
        COMMAND[0], args, cwd=str(project.path), env=os.environ | project.environ, timeout=30
    )
    child.expect("x: ?")
    child.sendintr()
    child.expect(pexpect.EOF)
    assert isinstance(child.before, bytes)
    assert child.before.replace(b"^C", b"").strip() == b""
    child.close()
    assert (child.exitstatus, child.signalstatus) == (None, 2)
    assert sys.platform != "win32"
