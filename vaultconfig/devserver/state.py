"""The state file: a vault's contents kept over restarts. Readable by its owner only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vaultconfig.devserver.bodies import json_object
from vaultconfig.devserver.contents import Entries, Entry, Version
from vaultconfig.errors import ConfigurationError

_FORMAT = 1


def load_state(path: Path) -> Entries:
    """Return what was saved at *path*; nothing if there is no file.

    Raises:
        ConfigurationError: The file can't be read or written, or is damaged; it is left as it is.
    """
    try:
        entries = _restored(json.loads(path.read_bytes())) if path.exists() else {}
        save_state(path, entries)  # what can't be written is found before it is needed
        return entries
    except FileNotFoundError:
        problem = "is in a directory that does not exist"
    except OSError as exc:
        problem = f"can't be read and written ({exc.strerror})"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        problem = f"is not a state file of this version ({type(exc).__name__})"
    raise ConfigurationError(
        f"state {path} {problem}: it was left as it is; move it away to start with an"
        " empty vault, or name another file"
    )


def save_state(path: Path, entries: Entries) -> None:
    """Put *entries* in place of what is at *path*.

    A kill loses nothing that was acknowledged: each write is a new file that takes the old one's
    place.
    """
    saved = [
        {"tenant": tenant, "path": name, **asdict(entry)}
        for (tenant, name), entry in entries.items()
    ]
    text = json.dumps({"format": _FORMAT, "entries": saved}, allow_nan=False)
    # One name, so that a kill half-way leaves nothing that the next write does not clear.
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    # Never through a link, and never readable by others, not even for a moment.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _restored(saved: Any) -> Entries:
    if saved["format"] != _FORMAT:
        raise ValueError(saved["format"])
    entries = {}
    for item in saved["entries"]:
        place = (item.pop("tenant"), item.pop("path"))
        versions = tuple(Version(**version) for version in item.pop("versions"))
        entries[place] = entry = Entry(versions=versions, **item)
        for version in versions:
            json_object(version.data)
            json_object(version.metadata)
        if versions and entry.latest != versions[-1].number:
            raise ValueError(entry.latest)
    return entries
