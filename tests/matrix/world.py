"""What one cell runs in: a vault, an environment, a directory, and clocks."""

from __future__ import annotations

import base64
import logging
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.client.scripted import TOKEN, Asked
from tests.live.rig import LONG, Clock
from tests.matrix import app
from tests.matrix.app import Settings
from tests.matrix.vault import MatrixVault
from tests.valkey import Valkey
from vaultconfig import LiveSettings
from vaultconfig.client import VaultClient
from vaultconfig.client.attempts import Terms
from vaultconfig.client.failures import Failure
from vaultconfig.store.directory import Directory
from vaultconfig.store.store import Store

SHORT: Final = 0.65
"""Seconds of a deadline that is to be used up: time for two more tries, after 0.1 s and 0.3 s."""


class World:
    """One cell's.

    Args:
        vault: Running.
        patch: Undone after the cell.
        cleanup: Run after it.
        directory: The working directory.
        deadline: Seconds; `SHORT`, or `LONG` where nothing is to last.

    Attributes:
        tls: Of the vault, once it speaks it.
        redis: Where the store is, if it is there.
        live: What is running, where something is.
        clock: That of live settings, which stands still until it is advanced.
        retries: How often a call was made once more.
        pause: Seconds that the vault has asked to wait for.
        took: Seconds of what was measured last.
    """

    def __init__(
        self,
        vault: MatrixVault,
        patch: pytest.MonkeyPatch,
        cleanup: ExitStack,
        directory: Path,
        *,
        deadline: float,
    ) -> None:
        self.vault = vault
        self.patch = patch
        self.cleanup = cleanup
        self.directory = directory
        self.deadline = deadline
        self.tls: ssl.SSLContext
        self.live: LiveSettings[Settings]
        self.redis: Valkey
        self.clock = Clock()
        self.retries = 0
        self.pause = 0.0
        self.took = 0.0
        self._begun_after = 0
        self.bundle = directory / "ca.pem"
        self.token_file = directory / "token"
        (directory / "app.py").write_bytes(Path(app.__file__).read_bytes())
        patch.chdir(directory)
        patch.setenv("SSL_CERT_FILE", str(self.bundle))
        patch.setenv("SCAIVAULT_TOKEN", TOKEN)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("VAULTCONFIG_DEADLINE", str(deadline))
        self.connect_to(vault.url)
        # So that the last try of a call has as much time as it takes on a busy machine.
        patch.setitem(VaultClient.__init__.__kwdefaults__, "random", lambda: 0.5)
        tell = Terms.tell

        def counted(terms: Terms, failure: Failure) -> None:
            self.retries += 1
            self.pause = failure.retry_after or 0.0
            tell(terms, failure)

        patch.setattr(Terms, "tell", counted)

    def connect_to(self, url: str) -> None:
        self.patch.setenv("SCAIVAULT_URL", url)

    def use_store(self) -> None:
        """Have a store that is not there yet, unless there is one already."""
        for name, value in {
            "VAULTCONFIG_STORE": f"file:{self.directory / 'store'}",
            "VAULTCONFIG_STORE_KEY": base64.b64encode(b"k" * 32).decode(),
            "VAULTCONFIG_APPLICATION": "shop",
        }.items():
            if name not in os.environ:
                self.patch.setenv(name, value)
        for cls in (Store, Directory):  # as defaults are bound when a class is defined
            self.patch.setitem(cls.__init__.__kwdefaults__, "clock", self.wall)

    def wall(self) -> float:
        """Return Unix seconds that keep pace with the clock of live settings."""
        return time.time() + self.clock.now - Clock().now

    def env_file(self, text: str) -> Path:
        """Write the `.env` of the working directory."""
        file = self.directory / ".env"
        file.write_text(text)
        file.chmod(0o600)
        return file

    def begin(self, fault: Any) -> None:
        """Let *fault* begin."""
        self._begun_after = len(self.vault.reads())
        fault.begins(self)

    @property
    def reads_since(self) -> list[Asked]:
        """The requests for secrets since the fault began."""
        return self.vault.reads()[self._begun_after :]

    def timed(self, call: Callable[[], Any]) -> Any:
        """Return what *call* returns or raises, and measure it."""
        began = time.monotonic()
        try:
            return call()
        except Exception as error:
            return error
        finally:
            self.took = time.monotonic() - began

    def when(self, usual: str) -> str:
        """Say how long it took; *usual* is the deadline that counts where none is set."""
        if self.deadline == SHORT and (self.retries or self.took >= 0.9 * SHORT):
            return f"within {usual}"
        assert self.deadline > SHORT, f"it did not last: {self.took} s"
        assert self.pause <= self.took < LONG / 2
        if not self.retries:
            return "at once"
        assert self.retries == 1
        return "after the pause" if self.pause else "after one more try"


@contextmanager
def warnings_of_ours() -> Iterator[list[str]]:
    """Yield what is logged at WARNING or above meanwhile."""
    told: list[str] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    handler, logger = Noting(logging.WARNING), logging.getLogger("vaultconfig")
    logger.addHandler(handler)
    try:
        yield told
    finally:
        logger.removeHandler(handler)
