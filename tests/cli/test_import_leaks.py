"""However an import ends, nothing of the secrets in the file shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from tests.leaks import CANARIES, Shown, vault_of_canaries, watched
from vaultconfig.cli.import_ import import_
from vaultconfig.devserver import DevServer

TEXT = CANARIES["text"]
TO = "environments/production/shop"
FILE = f"A_TOKEN={TEXT}\nB=a${{A_TOKEN}}\nC_KEY=${{NOWHERE}}{TEXT}\nREF=vault:app#text\nPORT=1\n"

BROKEN: dict[str, str] = {
    "a line that can't be read": f'X="{TEXT}"{TEXT}\n',
    "a quote that isn't closed": f"X='{TEXT}\n",
    "a key outside quotes": f"X=-----BEGIN\n{TEXT}/+=\n",
    "a malformed reference": f"X_TOKEN='vault:{TEXT} #'\n",
    "a reference in quotes": f"X_TOKEN='\"vault:{TEXT}#x\"'\n",
    "a template with a secret": f"my-key='https://u:{TEXT}@${{vault:app#text}}'\n",
    "a name twice": f"A_token={TEXT}\n",
    "a place twice": f"A-TOKEN={TEXT}\n",
    "another encoding": f"X_TOKEN={TEXT}\udcff\n",
    "a line that needs one that moves": f"X_TOKEN=${{NOWHERE}}${{A_TOKEN}}{TEXT}\n",
    "nothing": "",
}
FAULTS: dict[str, Callable[[DevServer], object]] = {
    "down": lambda vault: vault.stop(),
    "denied": lambda vault: vault.deny(f"{TO}/**"),
    "something else there": lambda vault: vault.put(f"{TO}/a", {"token": TEXT[::-1]}),
    "rejected": lambda vault: vault.fault(method="PUT", code="invalid_request"),
    "no envelope": lambda vault: vault.fault(method="PUT", status=403, body=TEXT),
    "not JSON": lambda vault: vault.fault(method="PUT", status=200, body=TEXT),
    "fine": lambda vault: None,
}


@pytest.fixture(autouse=True)
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with vault_of_canaries(tmp_path, monkeypatch) as vault:
        yield vault


@pytest.fixture
def shown(vault: DevServer, capfd: pytest.CaptureFixture[str]) -> Iterator[Shown]:
    with watched(capfd) as shown:
        yield shown


def run(shown: Shown, *options: str) -> bool:
    """Run the command, take in what it raises, and return whether it came to its end."""
    try:
        import_.main([".env", "--to", TO, *options], standalone_mode=False)
    except (Exception, click.exceptions.Exit) as error:
        shown.error(error)
        return False
    return True


@pytest.mark.parametrize("options", [("--yes",), ("--yes", "--comment-out"), ()])
@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_files(shown: Shown, line: str, options: tuple[str, ...]) -> None:
    """Neither a file that can't be taken nor one that can shows in what is printed or raised."""
    Path(".env").write_text(FILE + line, encoding="utf-8", errors="surrogateescape")
    ended = run(shown, *options)
    assert ended is (line == "" and bool(options)) or "NOWHERE" in line


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_vaults(shown: Shown, vault: DevServer, fault: Callable[[DevServer], object]) -> None:
    """Whatever the vault answers, values show in nothing but the requests to it."""
    Path(".env").write_text(FILE)
    fault(vault)
    run(shown, "--yes", "-o", "settings.py")


def test_a_module_that_is_something_else(shown: Shown) -> None:
    """Nor does a file show that is in the way."""
    Path(".env").write_text(FILE)
    Path("settings.py").write_text(TEXT)
    assert not run(shown, "--yes", "-o", "settings.py")
    Path("settings.py").write_bytes(TEXT.encode() + b"\xff")
    assert not run(shown, "--yes", "-o", "settings.py")
