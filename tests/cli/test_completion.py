"""Completion of paths in the vault: in a real bash, and as other shells are answered."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.conftest import CANARY, Ended, Project
from vaultconfig.devserver import DevServer

PROMPT = "ready> "


@pytest.fixture
def secrets(vault: DevServer) -> DevServer:
    vault.put("env/prod/db", {"user": CANARY, "pass": CANARY, "$(touch x)": CANARY})
    vault.put("env/prod/cache", {"url": CANARY})
    vault.put("shared/smtp", {"pass": CANARY})
    return vault


def asked(project: Project, shell: str, words: str, *, last: str, **env: str) -> Ended:
    """Complete *last*, as *shell* asks for it."""
    ended = project.run(
        env={
            "_VAULTCONFIG_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": f"vaultconfig {words}{last}",
            "COMP_CWORD": last if shell == "fish" else str(1 + len(words.split())),
            **env,
        }
    )
    assert (ended.code, ended.err) == (0, "")
    assert CANARY not in ended.out
    return ended


def completed(project: Project, words: str, last: str, **env: str) -> list[str]:
    """Return what zsh would offer for *last*, since it takes the words as they are."""
    lines = asked(project, "zsh", words, last=last, **env).out.strip().splitlines()
    assert set(lines[::3]) <= {"plain"}
    return lines[1::3]


def test_paths_and_fields(project: Project, secrets: DevServer) -> None:
    """Paths are completed wherever one is taken, with vault: or without; fields by get alone."""
    for command in ("get", "put", "rm", "ls"):
        assert completed(project, f"{command} ", "env/prod/") == ["env/prod/cache", "env/prod/db"]
        assert completed(project, f"{command} ", "vault:sh") == ["vault:shared/smtp"]
    assert completed(project, "get ", "env/prod/db#") == ["env/prod/db#user", "env/prod/db#pass"]
    assert completed(project, "get --reveal ", "vault:env/prod/db#u") == ["vault:env/prod/db#user"]
    assert completed(project, "rm ", "env/prod/db#") == []
    assert len(completed(project, "get ", "")) == 3
    assert completed(project, "put env/prod/db ", "") == []
    assert "plain,shared/smtp" in asked(project, "fish", "get ", last="sh").out


def test_it_is_silent(project: Project, secrets: DevServer) -> None:
    """Whatever fails there is nothing to offer, at once, and nothing is said."""
    assert completed(project, "get ", "nowhere#") == []
    assert completed(project, "get ", "{environment}/") == []
    assert completed(project, "get ", "env", SCAIVAULT_TOKEN="wrong") == []
    assert completed(project, "get ", "env", SCAIVAULT_URL="nonsense") == []
    asked_before = len(secrets.requests)
    assert completed(project, "get ", "env", SCAIVAULT_TOKEN="") == []
    assert len(secrets.requests) == asked_before
    secrets.hold()
    assert completed(project, "get ", "env") == []
    secrets.release()
    secrets.fault(code="service_unavailable")
    assert completed(project, "get ", "env") == []
    secrets.stop()
    assert completed(project, "get ", "env") == []


@pytest.fixture
def bash(project: Project) -> Iterator[Callable[[str], str]]:
    """Types a line and a tab into an interactive bash, and returns what the line then is."""
    if not (shell := shutil.which("bash")):
        pytest.skip("there is no bash")
    path = os.pathsep.join([str(Path(sys.executable).parent), project.environ["PATH"]])
    environ = {**project.environ, "PATH": path, "PS1": PROMPT, "TERM": "dumb"}
    arguments = ["--norc", "--noprofile", "-i"]
    child = pexpect.spawn(
        shell, arguments, cwd=str(project.path), env=environ, timeout=30, dimensions=(50, 200)
    )
    child.expect_exact(PROMPT)
    child.sendline('eval "$(_VAULTCONFIG_COMPLETE=bash_source vaultconfig)"; echo; echo loaded')
    child.expect_exact("\r\nloaded\r\n")
    child.expect_exact(PROMPT)

    def typed(line: str) -> str:
        child.send(f"{line}\t")
        child.send("\x01printf '<%s>' \x05\n")  # at the start of the line, and back
        child.expect("(<vaultconfig>.*)" + PROMPT)
        assert isinstance(child.match, re.Match)
        shown = child.match[1]
        assert isinstance(shown, bytes)
        return shown.decode()

    yield typed
    child.close(force=True)


def test_in_bash(bash: Callable[[str], str], project: Project, secrets: DevServer) -> None:
    """Colons and quotes, at which bash ends words, come out right; classes profit as well."""
    project.declare()
    for line, words in {
        "get env/prod/d": "<get><env/prod/db>",
        "get vault:env/prod/d": "<get><vault:env/prod/db>",
        "get 'vault:env/prod/d": "<get><vault:env/prod/db>",
        "get vault:env/prod/db#u": "<get><vault:env/prod/db#user>",
        "get -e prod shared/smtp#": "<get><-e><prod><shared/smtp#pass>",
        "ls s": "<ls><shared/smtp>",
        "check app:Se": "<check><app:Settings>",
        "render --format=do": "<render><--format=do>",
    }.items():
        assert bash(f"vaultconfig {line}") == f"<vaultconfig>{words}"
    assert not (project.path / "x").exists()
