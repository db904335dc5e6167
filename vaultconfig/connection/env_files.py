"""Reads `.env` files for the connection and for advice; one that can't be read counts as empty.

Settings themselves are read by pydantic-settings, which reports a file that can't be read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from dotenv.main import resolve_variables
from dotenv.parser import Binding, parse_stream

DotEnvFiles: TypeAlias = Path | str | Sequence[Path | str] | None

_NEWLINE: Final = re.compile(r"\r\n|\n|\r")


def files_of(env_file: DotEnvFiles) -> list[Path]:
    """Return *env_file*, one or several, as a list."""
    files = [env_file] if isinstance(env_file, (str, os.PathLike)) else env_file or []
    return [Path(file).expanduser() for file in files]


def regular_files(env_file: DotEnvFiles) -> list[Path]:
    """Return those of *env_file* that are regular files: reading a pipe may block, or empty it."""
    return [file for file in files_of(env_file) if os.path.isfile(file)]


def dotenv_variables(
    env_file: DotEnvFiles, encoding: str | None = None, *, interpolate: bool = False
) -> dict[str, str]:
    """Read the variables of a `.env`, if it can be read.

    Args:
        env_file: What is not a regular file is left alone.
        encoding: UTF-8 by default.
        interpolate: Whether ``${NAME}`` is expanded, as pydantic-settings has it; that brings in
            what the process environment holds.
    """
    found: dict[str, str | None] = {}
    for file in regular_files(env_file):
        # Not dotenv_values(): it would log each unreadable line once more, without a file name.
        with suppress(UnicodeError, OSError), file.open(encoding=encoding or "utf-8") as stream:
            pairs = [(item.key, item.value) for item in parse_stream(stream) if item.key]
            found |= resolve_variables(pairs, override=True) if interpolate else dict(pairs)
    return {name: value for name, value in found.items() if value}


def expanded_texts(env_file: DotEnvFiles, encoding: str | None = None) -> dict[str, str]:
    """Return each text in a `.env` that ``${NAME}`` was expanded in, and how it is written there.

    A text inside of JSON counts by itself.
    """
    found: dict[str, str] = {}
    expanded = dotenv_variables(env_file, encoding, interpolate=True)
    written = dotenv_variables(env_file, encoding)
    for name, text in written.items():
        before, after = texts_in(text), texts_in(expanded.get(name, ""))
        if len(before) != len(after):  # the expanded text has changed the JSON around it
            before = [text] * len(after)
        found |= {new: old for new, old in zip(after, before, strict=True) if new != old}
    for text in written.values():  # what is written like that elsewhere needs no expansion
        for same in texts_in(text):
            found.pop(same, None)
    return found


def texts_in(text: str) -> list[str]:
    """Return the texts among the values of JSON, always in the same order; else *text* itself."""
    pending: list[Any] = []
    if text.lstrip().startswith(("{", "[")):
        with suppress(ValueError, RecursionError):
            pending = [json.loads(text)]
    if not pending:
        return [text]
    texts = []
    while pending:
        match pending.pop():
            case str() as found:
                texts.append(found)
            case dict() as found:
                pending += found.values()
            case list() as found:
                pending += found
    return texts


def unreadable_lines(env_file: DotEnvFiles, encoding: str | None = None) -> list[str]:
    """Name the lines of a `.env` that python-dotenv passes over."""
    found: list[str] = []
    for file in regular_files(env_file):
        with suppress(UnicodeError, OSError), file.open(encoding=encoding or "utf-8") as stream:
            for binding in parse_stream(stream):
                found += [f"line {line_of(binding)} of {file}"] if binding.error else []
    return found


def line_of(binding: Binding) -> int:
    """Return the line that *binding* begins in; python-dotenv counts from the blank ones before."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(_NEWLINE.findall(blank))
