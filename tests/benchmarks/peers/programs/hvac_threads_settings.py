"""By hand: the same, and what came is given to a class of pydantic-settings."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import create_model
from pydantic_settings import BaseSettings

from tests.benchmarks.peers.programs import hvac_threads
from tests.benchmarks.peers.works import Fields


def loader(fields: Fields) -> Callable[[], object]:
    settings_cls = create_model("Settings", __base__=BaseSettings, **dict.fromkeys(fields, str))
    read = hvac_threads.loader(fields)
    return lambda: settings_cls(**read())
