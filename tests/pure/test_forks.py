"""What a forked child does before anything else of ours runs in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vaultconfig import LiveSettings, VaultClient, forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

PROGRAM = """
import os, sys, threading
from vaultconfig.forks import ORDER, in_forked_child, import_undisturbed

def begin_anew(room):
    print(room, flush=True)
    if room == sys.argv[1]:
        raise RuntimeError(room)

for room in reversed(ORDER):
    in_forked_child(room, lambda room=room: begin_anew(room))
child = os.fork()
if not child:
    import_undisturbed(["json"])
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("failing", ["nothing", *forks.ORDER])
def test_the_order_is_the_written_one(failing: str) -> None:
    """Rooms begin anew in it, whatever was imported first, and whatever one of them raises."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, failing],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ended.stdout.splitlines() == list(forks.ORDER)
    assert (f"RuntimeError: {failing}" in ended.stderr) is (failing in forks.ORDER)


def test_each_room_has_its_hook() -> None:
    """Every room of the order is one that begins anew, once all of it is imported."""
    assert LiveSettings
    assert VaultClient
    assert set(forks._hooks) == set(forks.ORDER)
