"""A Celery application whose tasks read live settings; started by test_celery."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from celery import Celery

from vaultconfig import LiveSettings, VaultSettings


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]


live = LiveSettings(Settings)
live.start()  # in the parent, before it forks

box = Path(os.environ["CELERY_BOX"])
folders = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), str(box))
app = Celery("celery_app", broker="filesystem://")
app.conf.update(broker_transport_options=folders, broker_connection_retry_on_startup=True)


@app.task
def read(number: int) -> None:
    """Write down what this process of the pool reads."""
    (box / f"answer-{number}").write_text(f"{os.getpid()} {live.current.key}")
