"""The numbers as SVGs, with no font, script or file from anywhere else. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

WIDTH, HEIGHT, LEFT, TOP, BETWEEN = 760, 120, 60, 48, 76  # pixels; the height is that of a panel
SECOND: Final = 5  # pixels
ROTATIONS: Final = (40, 70, 100)  # seconds
BARS, ROW = 300, 26  # pixels: where bars begin, and how high a line is with its gap
FOREGROUND, BACKGROUND, DIM = "#d8dee9", "#1e2430", "#4c566a"  # as in the other pictures
GREEN, BLUE, GREY = "#a3d977", "#82aaff", "#7b8496"
PANELS: Final = {
    "without": ("without a store", "#f07178"),
    "with": ("with a store, in Redis", GREEN),
}

Numbers: TypeAlias = Mapping[str, Any]


class Picture(NamedTuple):
    """What is drawn of the numbers of a command.

    Attributes:
        name: Of the command.
        alt_of: Returns what the picture says, for readers who do not see it.
        svg_of: Returns the picture.
    """

    name: str
    alt_of: Callable[[Numbers], str]
    svg_of: Callable[[Numbers], str]

    @property
    def file(self) -> Path:
        return Path(__file__).parents[2] / "docs" / "pictures" / f"{self.name}.svg"


def _svg(alt: str, height: int, parts: Iterable[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(alt)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        f'<g font-family="system-ui, sans-serif" font-size="13" fill="{FOREGROUND}">',
        *parts,
        "</g>",
        "</svg>",
        "",
    ]
    return "\n".join(lines)


def _alt_of_peers(numbers: Numbers) -> str:
    work, loads = _loads(numbers)
    told = [f"{seconds:.2f} s for {title}" for _, title, seconds in loads]
    return f"How long a load of {work} takes: {'; '.join(told)}"


def _svg_of_peers(numbers: Numbers) -> str:
    """Return a bar for each library, the fastest first, on a logarithmic scale."""
    work, loads = _loads(numbers)
    least, most = (
        round_(math.log10(edge))
        for round_, edge in ((math.floor, loads[0][-1]), (math.ceil, loads[-1][-1]))
    )
    height = TOP + len(loads) * ROW + 36
    bottom, decade = TOP + len(loads) * ROW, (WIDTH - BARS - 70) / (most - least)
    told = f"seconds for a load of {work}, 20 ms a request; grey gives no typed settings"
    parts = [_text(24, TOP - 20, told)]
    for power in range(least, most + 1):
        x = BARS + (power - least) * decade
        parts += [
            _line(x, TOP - 6, x, bottom),
            _text(x, bottom + 18, f"{10.0**power:g} s", "middle"),
        ]
    for place, (name, title, seconds) in enumerate(loads):
        y, width = TOP + place * ROW, (math.log10(seconds) - least) * decade
        typed = BLUE if numbers["peers"][name]["typed"] else GREY
        colour = GREEN if name == "ours" else typed
        parts += [
            _text(BARS - 10, y + 15, title, "end"),
            f'<rect x="{BARS}" y="{y}" width="{width:.1f}" height="{ROW - 6}" fill="{colour}"/>',
            _text(BARS + width + 6, y + 15, f"{seconds:.2f}"),
        ]
    return _svg(_alt_of_peers(numbers), height, parts)


def _loads(numbers: Numbers) -> tuple[str, list[tuple[str, str, float]]]:
    """Return the first work, and the name, title and seconds of each library, fastest first."""
    work, runs = next(iter(numbers["works"].items()))
    found = [
        (name, numbers["peers"][name]["title"], statistics.median(run["load"]))
        for name, run in runs.items()
    ]
    return work, sorted(found, key=lambda each: each[-1])


def _alt_of_fleet(numbers: Numbers) -> str:
    courses = numbers["courses"]
    without, shared = (sum(courses[column]) for column in PANELS)
    seconds = len(courses["with"])
    return (
        "Requests a second at the vault while 200 hosts start together and run for two minutes:"
        f" in these {seconds} s {without:,} without a store, {shared:,} with one"
    )


def _svg_of_fleet(numbers: Numbers) -> str:
    """Return a panel for each column, one above the other, on one logarithmic scale."""
    courses, parts = numbers["courses"], []
    most = max(max(courses[column]) for column in PANELS)
    decades = max(1, math.ceil(math.log10(most or 1)))
    for place, (column, (title, colour)) in enumerate(PANELS.items()):
        bottom = TOP + place * (HEIGHT + BETWEEN) + HEIGHT
        parts += _panel(title, colour, courses[column], bottom, decades)
    return _svg(_alt_of_fleet(numbers), TOP + len(PANELS) * (HEIGHT + BETWEEN) - 40, parts)


def _panel(
    title: str, colour: str, course: Sequence[int], bottom: int, decades: int
) -> Iterator[str]:
    end, top = LEFT + len(course) * SECOND, bottom - HEIGHT
    yield _text(LEFT, top - 14, f"requests a second, {title}: {sum(course):,} in all")
    yield _line(LEFT, bottom, end, bottom)
    for decade in range(decades + 1):
        y = bottom - _height(10**decade, decades)
        yield _line(LEFT, y, end, y)
        yield _text(LEFT - 8, y + 4, f"{10**decade:,}", "end")
    for second in range(0, len(course) + 1, 10):
        yield _text(LEFT + second * SECOND, bottom + 16, f"{second} s", "middle")
    for second in ROTATIONS:
        x = LEFT + second * SECOND
        yield _line(x, top, x, bottom)
        yield _text(x + 4, top + 12, "rotation")
    bars = "".join(
        f"M{LEFT + (second + 0.5) * SECOND:.0f} {bottom}v-{_height(count, decades):.0f}"
        for second, count in enumerate(course)
        if count
    )
    yield f'<path d="{bars}" stroke="{colour}" stroke-width="3"/>'


def _height(count: int, decades: int) -> float:
    """Return the height of a bar in pixels; that of one request can be seen."""
    return (math.log10(count) + 0.25) / (decades + 0.25) * HEIGHT


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{DIM}"/>'


PICTURES: Final = (
    Picture("peers", _alt_of_peers, _svg_of_peers),
    Picture("fleet", _alt_of_fleet, _svg_of_fleet),
)
