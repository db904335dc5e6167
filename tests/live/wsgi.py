"""A WSGI application without a framework, which answers with what it reads and who it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.live import first_read

first_read.LONGEST = 60.0  # type: ignore[misc]  # on a busy machine an attempt may take over 2 s


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]


live = LiveSettings(Settings)
live.start()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = f"{os.getpid()} {live.current.key}".encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Connection", "close")])
    return [body]
