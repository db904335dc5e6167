"""Terminal sessions as pictures for the docs, from the real commands. Run by ``make pictures``.

A session is the files of a project, what its vault holds, and commands with what is answered to
their questions. They run in a terminal of their own, against a dev server; what is on the screen in
the end becomes an SVG whose text is text, with no font or file from anywhere else.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pexpect

from vaultconfig.devserver import DevServer

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
COLUMNS, ROWS = 94, 200
TOKEN = "a-token-for-pictures"

CHAR, LINE, MARGIN = 8.4, 19, 16  # pixels: a character of 14 pixels is 0.6 times as wide as high
FOREGROUND, BACKGROUND = "#d8dee9", "#1e2430"
PALETTE = ("#4c566a", "#f07178", "#a3d977", "#ffcb6b", "#82aaff", "#c792ea", "#89ddff", "#ffffff")


@dataclass(frozen=True)
class Session:
    """One picture.

    Attributes:
        title: What it shows, for readers who do not see it.
        files: The project's, by name.
        commands: Each with the answers to its questions: a pattern, and what is typed.
        prepare: Gives the vault what it holds.
    """

    title: str
    files: Mapping[str, str]
    commands: Mapping[str, tuple[tuple[str, str], ...]]
    prepare: Callable[[DevServer], Any] = field(default=lambda vault: None)


APP = """
from typing import Annotated

from pydantic import BaseModel, SecretStr

from vaultconfig import VaultSettings


class Database(BaseModel):
    user: Annotated[str, "vault:environments/{environment}/shop/db#user"]
    password: Annotated[SecretStr, "vault:environments/{environment}/shop/db#password"]


class Settings(VaultSettings):
    debug: bool = False
    database: Database
    stripe_key: Annotated[SecretStr, "vault:environments/{environment}/shop/stripe#key"]
    smtp_password: Annotated[SecretStr, "vault:shared/smtp#password"]
    session_secret: Annotated[SecretStr, "vault:environments/{environment}/shop/web#session"]
"""


def checked(vault: DevServer) -> None:
    vault.put("environments/production/shop/db", {"user": "shop"})
    vault.put("environments/production/shop/stripe", {"key": "not-a-secret"})
    vault.put("shared/smtp", {"password": "not-a-secret"})
    vault.deny("shared/**")


def compared(vault: DevServer) -> None:
    for environment in ("staging", "production"):
        vault.put(f"environments/{environment}/shop/stripe", {"key": "not-a-secret"})
        vault.put(f"environments/{environment}/shop/db", {"user": "shop", "password": environment})
    vault.put("environments/staging/shop/web", {"session": "not-a-secret"})
    vault.put("shared/smtp", {"password": "not-a-secret"})


SESSIONS = {
    "check": Session(
        "vaultconfig check: what is missing or denied stands below its field, with what to run",
        {"app.py": APP, ".env": "DEBUG=true\n"},
        {"vaultconfig check app:Settings -e production": ()},
        checked,
    ),
    "import": Session(
        "vaultconfig import: it shows a plan, asks, writes, and prints the class",
        {
            ".env": "DEBUG=true\nDB_USER=shop\nDB_PASSWORD=not-a-secret\n"
            "STRIPE_KEY=sk_test_0000000000\n"
        },
        {"vaultconfig import .env --to environments/production/shop": ((r"\?.*: ", "y"),)},
    ),
    "diff": Session(
        "vaultconfig diff: what differs between two environments, and what is missing in one",
        {"app.py": APP},
        {"vaultconfig diff staging production app:Settings": ()},
        compared,
    ),
}


class Cell(NamedTuple):
    """A character on the screen, and its colour, a place in the palette."""

    text: str = " "
    colour: int | None = None


Screen: TypeAlias = list[list[Cell]]


def screen_of(session: Session) -> Screen:
    """Run the commands of *session*, and return what is on the screen after that."""
    shown = ""
    with tempfile.TemporaryDirectory() as directory, DevServer(token=TOKEN) as vault:
        session.prepare(vault)
        for name, text in session.files.items():
            file = Path(directory) / name
            file.write_text(text, encoding="utf-8")
            file.chmod(0o644)  # whatever the umask here
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "SCAIVAULT_URL": vault.url,
            "SCAIVAULT_TOKEN": vault.token,
            "NO_PROXY": "127.0.0.1",
        }
        for command, answers in session.commands.items():
            program, *args = command.split()
            assert program == "vaultconfig"
            child = pexpect.spawn(
                sys.executable,
                ["-m", "vaultconfig", *args],
                cwd=directory,
                env=environ,
                dimensions=(ROWS, COLUMNS),
                encoding="utf-8",
                timeout=30,
            )
            shown += f"\x1b[34m$\x1b[0m {command}\r\n"
            for question, answer in answers:
                child.expect(question)
                shown += f"{child.before}{child.after}"
                child.sendline(answer)
            child.expect(pexpect.EOF)
            shown += f"{child.before}\r\n"
        # What differs each time: where the vault is, and the numbers of requests.
        shown = shown.replace(vault.url, "https://vault.example.com")
    return screen_with(re.sub(r"req_[0-9a-f]+", "req_5f0c1d7a9b3e2468", shown))


def screen_with(written: str) -> Screen:
    """Return the screen of a terminal that *written* was sent to: as much of one as we need."""
    screen: Screen = [[]]
    column, colour = 0, None
    for found in re.finditer(
        r"\x1b\[(?P<codes>[\d;?]*)(?P<kind>[A-Za-z])|(?P<text>.)", written, re.S
    ):
        line = screen[-1]
        match found["kind"], found["text"]:
            case "m", _:
                code = int(found["codes"] or 0)
                colour = code - 30 if 30 <= code <= 37 else None
            case "K", _:
                del line[column:]
            case None, "\r":
                column = 0
            case None, "\n":
                screen.append([])
            case None, text:
                if column == COLUMNS:
                    column, line = 0, []
                    screen.append(line)
                line += [Cell()] * (column - len(line))
                line[column : column + 1] = [Cell(text, colour)]
                column += 1
    while screen and not screen[-1]:
        screen.pop()
    return screen


def text_of(screen: Screen) -> str:
    return "\n".join("".join(cell.text for cell in line).rstrip() for line in screen)


def svg_of(session: Session, screen: Screen) -> str:
    """Return *screen* as a picture."""
    width, height = COLUMNS * CHAR + 2 * MARGIN, len(screen) * LINE + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
            f' viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
            f"<title>{escape(session.title)}</title>",
            f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
            f'<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14"'
            f' fill="{FOREGROUND}">',
            *(_line(cells, MARGIN + (row + 0.75) * LINE) for row, cells in enumerate(screen)),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _line(cells: list[Cell], y: float) -> str:
    """Return a line as text; each run of one colour has its place, whatever the font's width."""
    spans, column = [], 0
    for colour, run in groupby(cells, key=lambda cell: cell.colour):
        # Browsers differ in what makes them keep other spaces.
        text = "".join(cell.text for cell in run).replace(" ", "\N{NO-BREAK SPACE}")
        place = f'x="{MARGIN + column * CHAR:.1f}" textLength="{len(text) * CHAR:.1f}"'
        fill = "" if colour is None else f' fill="{PALETTE[colour]}"'
        spans.append(f"<tspan {place}{fill}>{escape(text)}</tspan>")
        column += len(text)
    return f'<text y="{y:.1f}">{"".join(spans)}</text>'


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for name, session in SESSIONS.items():
        file = PICTURES / f"{name}.svg"
        file.write_text(svg_of(session, screen_of(session)), encoding="utf-8")


if __name__ == "__main__":
    main()
