"""Nothing that is watched shows: not in a `repr`, a failure, its frames, a log or a message."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Annotated

import pytest

from tests import leaks
from tests.leaks import CANARIES, failure_of, vault_of_canaries
from vaultconfig import VaultSettings
from vaultconfig.cli.becoming import start
from vaultconfig.cli.run import _environ_with, _variables
from vaultconfig.cli.watching import watched
from vaultconfig.masking.values import mask

TEXT = CANARIES["text"]


class Settings(VaultSettings):
    """A text, and a number that the text does not fit."""

    text: Annotated[str, "vault:app#text"]
    number: Annotated[int, "vault:app#integer"]


def test_nothing_shows(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables, a program that cannot be started with them, and new values that do not fit."""
    logger = logging.getLogger("vaultconfig")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logger.level)
    make = partial(_variables, Settings, (), "")
    with leaks.watched(capfd) as shown, vault_of_canaries(tmp_path, monkeypatch) as vault:
        with watched(make, meanwhile="x stays as it is", wake=lambda: None) as found:
            variables = found.look()
            assert variables["TEXT"] == TEXT
            shown.add("variables", repr(variables))
            shown.settings(found._live.newest)
            environ = _environ_with(Settings, variables, keep_credentials=False)
            too_long = {**environ, **mask({"TEXT": TEXT * 10_000})}
            shown.error(failure_of(lambda: start(["no-such-program"], environ)), "no program")
            shown.error(failure_of(lambda: start(["true"], too_long)), "too long")
            vault.put("app", {**CANARIES, "integer": TEXT})
            shown.error(failure_of(found._live.refresh), "invalid")
            found.look()
            vault.put("app", {**CANARIES, "text": f"{TEXT}\0"})
            shown.error(failure_of(found._live.refresh), "unfit")
            found.look()
        said = capfd.readouterr().err
        assert "x stays as it is (invalid)" in said
        shown.add("messages", said)
