"""The table of cells, and the page that shows it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/reference/fault-matrix.md"
NONE: Final = "– "
"""How a cell begins that makes no sense; its reason follows."""

TABLE: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = tomllib.loads(
    Path(__file__).with_name("cells.toml").read_text(encoding="utf-8")
)
"""What a user gets, by group, fault and situation."""

ROWS: Final = {fault: row for rows in TABLE.values() for fault, row in rows.items()}
CELLS: Final = {
    (fault, situation): cell
    for fault, row in ROWS.items()
    for situation, cell in row.items()
    if not cell.startswith(NONE)
}

INTRODUCTION: Final = """\
# Faults and what happens

<!-- Made from tests/matrix/cells.toml by `make matrix`; change it there. -->

In short: while the vault is away or answers wrongly, a running application goes on with the last
good settings, and `render` leaves the file as it was. A start fails within 10 s, and says why,
unless a store or, in development, `.env` serves. What is denied or missing is an error at once.
If you have a message, and look for what to do: [Troubleshooting](../how-to/troubleshooting.md).

Each fault has a row: {groups}.

The columns are the situations:

- **start in production**: `Settings()` or `LiveSettings.start()`, with a `.env` that does not
  count there.
- **start with a store**: the same, where [the store](../how-to/store.md) holds what another
  process read more than a ttl ago.
- **start in development**: the same, with a `.env` that
  [stands in for the vault](../how-to/development.md).
- **running**: a refresh of [live settings](live-settings.md) comes due, and there are new values.
  No read waits for it. The next try is the first of a backoff, which grows to two minutes.
- **render over a file**: `vaultconfig render` over a `.env` that has other lines, too;
  [Command line](command-line.md) has the exit codes.

*At once* means that no request was repeated; *the pause* is that of `Retry-After`. 10 s is the
default deadline, 2 s that of development, and of the one attempt where the store can serve
everything; `VAULTCONFIG_DEADLINE` sets another. A fault that passes earlier ends the wait. Errors
are those of `vaultconfig.errors`. The error, development's warning and `health().last_error` name
the fault; none of them holds a value.

These are {faults} faults in {situations} situations. Each of the {cells} cells is a test that puts
a real server, file or process in that condition (`tests/matrix`). {nones} combinations make no
sense: they have a dash, and the reason once.
"""


def page() -> str:
    """Return the page."""
    introduction = INTRODUCTION.format(
        groups=" ·\n".join(f"[{group}](#{_slug_of(group)})" for group in TABLE),
        faults=len(ROWS),
        situations=len(next(iter(ROWS.values()))),
        cells=len(CELLS),
        nones=sum(map(len, ROWS.values())) - len(CELLS),
    )
    return "\n".join([introduction, *_tables()])


def _tables() -> Iterator[str]:
    for group, rows in TABLE.items():
        situations = next(iter(rows.values()))
        yield f"## {group}\n"
        yield _line("fault", *situations)
        yield _line("---", *("---" for _ in situations))
        told: set[str] = set()
        for fault, row in rows.items():
            cells = []
            for cell in row.values():
                cells.append(NONE.strip() if cell in told else cell)
                told |= {cell} if cell.startswith(NONE) else set()
            yield _line(fault, *cells)
        yield ""


def _slug_of(heading: str) -> str:
    return re.sub(r"[^\w ]", "", heading).lower().replace(" ", "-")


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
