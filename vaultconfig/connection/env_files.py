"""Reads `.env` files for the connection and for advice; one that can't be read counts as empty.

Settings themselves are read by pydantic-settings, which reports a file that can't be read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from dotenv import dotenv_values
from dotenv.parser import parse_stream

DotEnvFiles: TypeAlias = Path | str | Sequence[Path | str] | None


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
        with suppress(UnicodeError, OSError):
            found |= dotenv_values(file, interpolate=interpolate, encoding=encoding or "utf-8")
    return {name: value for name, value in found.items() if value}


def expanded_texts(env_file: DotEnvFiles, encoding: str | None = None) -> dict[str, str]:
    """Return each text in a `.env` that ``${NAME}`` was expanded in, and how it is written there.

    A text inside of JSON counts by itself.
    """
    found: dict[str, str] = {}
    expanded = dotenv_variables(env_file, encoding, interpolate=True)
    for name, text in dotenv_variables(env_file, encoding).items():
        before, after = _texts_in(text), _texts_in(expanded.get(name, ""))
        if len(before) != len(after):  # the expanded text has changed the JSON around it
            before = [text] * len(after)
        found |= {new: old for new, old in zip(after, before, strict=True) if new != old}
    return found


def _texts_in(text: str) -> list[str]:
    """Return the texts among the values of JSON, always in the same order; else *text* itself."""
    pending: list[Any] = []
    if text.startswith(("{", "[")):
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
                text, line = binding.original
                line += text[: len(text) - len(text.lstrip())].count("\n")
                found += [f"line {line} of {file}"] if binding.error else []
    return found
