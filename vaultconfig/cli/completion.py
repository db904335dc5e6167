"""The settings classes that could be a TARGET, for a shell to complete; no code of theirs runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

_CLASS = re.compile(r"^class (\w+)\([^)]*Settings\b[^)]*\):", re.MULTILINE)
_DEEPEST: Final = 4
_MOST_FILES: Final = 2000
_SKIPPED: Final = {"node_modules", "site-packages", "__pycache__", "tests"}


def targets(directory: Path) -> list[str]:
    """Return what looks like a settings class below *directory*, as ``package.module:Settings``."""
    found = []
    for file in islice(_modules(directory), _MOST_FILES):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        module = ".".join(file.relative_to(directory).with_suffix("").parts)
        name = module.removesuffix(".__init__")
        found += [f"{name}:{match[1]}" for match in _CLASS.finditer(text)]
    return sorted(found)


def _modules(directory: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(directory):
        depth = len(Path(place).relative_to(directory).parts)
        folders[:] = sorted(
            name
            for name in folders
            if depth < _DEEPEST and name not in _SKIPPED and name.isidentifier()
        )
        yield from (Path(place, name) for name in sorted(names) if name.endswith(".py"))
