"""Each container of the manifests as a real process, with the mounts that it has in its pod."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import httpx
import pytest

from tests.cli.watching import until
from tests.kubernetes.conftest import CANARY, LOGIN, Run, Schedule
from tests.kubernetes.manifests import Node, Object
from tests.live.rig import LONG, VERY_LONG
from vaultconfig.cli.failures import UNAVAILABLE
from vaultconfig.devserver import DevServer

RENDERED = ("render-once", "render-watch")


def rendered(node: Node) -> Path:
    """Return the file that the manifest's other container reads, by the path that it has there."""
    path = node.here(node.container("shop"), "/run/settings/settings.json")
    assert path.startswith(str(node.directory))
    return Path(path)


def user_in(file: Path) -> str:
    user: str = json.loads(json.loads(file.read_text())["DATABASE"])["user"]
    return user


def probe(node: Node, container: Object, kind: str) -> bool:
    """Whether a probe of *container* succeeds now, as the kubelet would find."""
    found = container[kind]
    if "exec" in found:
        command = [node.here(container, word) for word in found["exec"]["command"]]
        return subprocess.run(command, check=False).returncode == 0
    (port,) = container["ports"]
    address = node.here(container, f"http://127.0.0.1:{port['containerPort']}")
    assert found["httpGet"]["port"] == port["name"]
    try:
        answer = httpx.get(address + found["httpGet"]["path"], timeout=LONG)
    except httpx.ConnectError:
        return False
    return 200 <= answer.status_code < 400


def rotate_token(node: Node, vault: DevServer) -> None:
    """Renew the Secret as the kubelet does; the vault rejects the old token from now on."""
    renewed = vault.add_token(identity_id="renewed", scopes=["secrets:read", "subscriptions:write"])
    node.mounted["token"].replace({"token": renewed})
    vault.revoke(vault.token)


@pytest.mark.parametrize("name", RENDERED)
def test_the_file_is_for_the_pod_alone(
    name: str, schedule: Schedule, run: Run, vault: DevServer
) -> None:
    """It is written where the other container finds it, and readable to their user only."""
    node = schedule(name)
    run(node, node.container("settings")).expect("1 variable, mode 0600")
    assert user_in(rendered(node)) == "shop-a"
    assert stat.S_IMODE(rendered(node).stat().st_mode) == 0o600
    assert os.listdir(rendered(node).parent) == ["settings.json"]


def test_the_init_container_ends(schedule: Schedule, run: Run, vault: DevServer) -> None:
    """It exits with 0, also when a restarted pod finds the file of before; one request each."""
    node = schedule("render-once")
    for user in ("shop-b", "shop-c"):
        vault.put(LOGIN, {"user": user, "password": f"{CANARY}-2"})
        assert run(node, node.container("settings")).wait() == 0
        assert user_in(rendered(node)) == user
    assert len(vault.requests) == 2


@pytest.mark.parametrize(
    ("name", "container", "code"),
    [
        ("render-once", "settings", UNAVAILABLE),
        ("render-watch", "settings", UNAVAILABLE),
        ("live", "shop", 3),
    ],
)
def test_without_a_vault_the_container_fails(
    name: str, container: str, code: int, schedule: Schedule, run: Run, vault: DevServer
) -> None:
    """It says why and exits with an error, so that the kubelet starts it again later."""
    node = schedule(name)
    failing = node.container(container)
    failing["env"].append({"name": "VAULTCONFIG_DEADLINE", "value": "0.2"})
    vault.stop()
    command = run(node, failing)
    assert command.wait() == code
    assert "no connection" in " ".join(command.said)
    assert not list(node.directory.rglob("settings.json"))


def test_the_sidecar_keeps_the_file_current(schedule: Schedule, run: Run, vault: DevServer) -> None:
    """The program starts once the file is there; a rotation renews it; SIGTERM is a good end."""
    node = schedule("render-watch")
    container = node.container("settings")
    assert not probe(node, container, "startupProbe")
    sidecar = run(node, container)
    sidecar.expect("1 variable")
    assert probe(node, container, "startupProbe")
    until(lambda: vault.subscriptions)
    vault.put(LOGIN, {"user": "shop-b", "password": f"{CANARY}-2"})
    sidecar.expect("DATABASE changed")
    assert user_in(rendered(node)) == "shop-b"
    assert sidecar.end(signal.SIGTERM) == 0
    assert not vault.subscriptions


def test_the_sidecar_takes_a_renewed_token(schedule: Schedule, run: Run, vault: DevServer) -> None:
    """The mounted Secret is swapped while it runs, and its next request has the new token."""
    node = schedule("render-watch")
    sidecar = run(node, node.container("settings"))
    sidecar.expect("1 variable")
    until(lambda: vault.subscriptions)
    rotate_token(node, vault)
    vault.put(LOGIN, {"user": "shop-b", "password": f"{CANARY}-2"})
    sidecar.expect("DATABASE changed")
    assert user_in(rendered(node)) == "shop-b"


def test_the_application_is_ready_and_follows_the_vault(
    schedule: Schedule, run: Run, vault: DevServer
) -> None:
    """Its probes succeed once it is loaded; a renewed token and a rotation reach it."""
    store, node = schedule("store"), schedule("live")
    run(store, store.container("valkey")).expect("Ready to accept connections")
    container = node.container("shop")
    assert not probe(node, container, "startupProbe")
    application = run(node, container)
    until(lambda: probe(node, container, "startupProbe"))
    assert probe(node, container, "livenessProbe")
    assert probe(node, container, "readinessProbe")
    until(lambda: vault.subscriptions)
    rotate_token(node, vault)
    vault.put(LOGIN, {"user": "shop-b", "password": f"{CANARY}-2"})
    url = f"http://127.0.0.1:{node.replaced['8000']}/"
    until(lambda: "as shop-b" in httpx.get(url, timeout=LONG).text)
    vault.stop()
    assert probe(node, container, "readinessProbe")
    assert application.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    assert not [line for line in application.said if re.search("Traceback|ERROR", line)]


def test_a_load_under_way_is_not_ended_by_its_probe(
    schedule: Schedule, run: Run, vault: DevServer
) -> None:
    """While the vault keeps it waiting nothing listens; a SIGTERM meanwhile ends it afterwards."""
    node = schedule("live")
    container = node.container("shop")
    container["env"].append({"name": "VAULTCONFIG_DEADLINE", "value": str(VERY_LONG)})
    vault.hold("/v1/secrets/**")
    application = run(node, container)
    vault.wait_until_asked(timeout=LONG)
    assert not probe(node, container, "startupProbe")
    application.process.send_signal(signal.SIGTERM)
    vault.release()
    assert application.wait() in (0, -signal.SIGTERM)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize(
    ("mode", "group", "is_read"), [("0600", 7, False), ("0640", 7, True), ("0640", 8, False)]
)
def test_another_user_reads_it_by_the_group(
    mode: str, group: int, is_read: bool, schedule: Schedule, run: Run
) -> None:
    """With --mode 0640 the fsGroup may read the file, whose directory hands its group down."""
    node = schedule("render-once")
    container = node.container("settings")
    container["command"] += ["--mode", mode]
    with tempfile.TemporaryDirectory() as shared:  # the tests' own is root's alone
        os.chmod(shared, 0o755)
        volume = Path(shared, "settings")
        volume.mkdir()
        os.chown(volume, 0, 7)
        volume.chmod(0o2777)  # as the kubelet makes it for an fsGroup
        shutil.rmtree(node.directory / "settings")
        (node.directory / "settings").symlink_to(volume)
        assert run(node, container).wait() == 0
        reader = subprocess.run(
            ["cat", volume / "settings.json"],
            user=10002,
            group=10002,
            extra_groups=[group],
            capture_output=True,
            check=False,
        )
    assert (reader.returncode == 0) is is_read
