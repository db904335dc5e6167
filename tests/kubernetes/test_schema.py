"""The manifests as Kubernetes reads them, and the rules of ours that its schema does not know."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import pytest

from tests.kubernetes.manifests import EXAMPLES, FILES, PROGRAMS, Object, containers, objects, pods
from vaultconfig.connection.connection import DEADLINE
from vaultconfig.connection.variables import OWN_VARIABLES

VERSIONS = [f"1.{minor}" for minor in range(29, 38)]  # sidecars are on by default from 1.29 on
PODS = dict(pods())
EACH = [pytest.param(c, id=f"{n}-{c['name']}") for n, pod in PODS.items() for c in containers(pod)]
LONGEST_CLOSE = 1.0  # seconds, as docs/reference/live-settings.md promises


def validated(thing: Object, version: str) -> str:
    return kubernetes_validate.validate(thing, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_manifest_fits_the_schema(file: Path, version: str) -> None:
    """Each object is valid in each version, without a field that Kubernetes does not know."""
    for thing in objects(file):
        assert validated(thing, version) == version


def test_a_misspelt_field_would_be_found() -> None:
    """The check is strict: what the API server would drop without a word is an error here."""
    (deployment,) = objects(EXAMPLES / "render-watch.yaml")
    broken = copy.deepcopy(deployment)
    sidecar = broken["spec"]["template"]["spec"]["initContainers"][0]
    sidecar["restartPolcy"] = sidecar.pop("restartPolicy")
    with pytest.raises(kubernetes_validate.ValidationError, match="restartPolcy"):
        validated(broken, VERSIONS[-1])


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_has_no_more_rights_than_it_needs(pod: Object) -> None:
    """No root, no service account, no variables of services that look like ours."""
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    for volume in pod["volumes"]:
        in_memory = volume.get("emptyDir", {}).get("medium") == "Memory"
        assert in_memory or volume["secret"]["defaultMode"] == 0o440


@pytest.mark.parametrize("container", EACH)
def test_a_container_has_no_more_rights_than_it_needs(container: Object) -> None:
    """Its file system is read-only but for volumes, and it can't become another user."""
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("container", EACH)
def test_what_a_container_is_given(container: Object) -> None:
    """Its image is a placeholder, its program one that the tests run, its variables ours."""
    assert re.fullmatch(r"your-registry/[a-z-]+:[0-9.]+", container["image"])
    program = container.get("command", [None])[0]
    assert program in {*PROGRAMS, None}
    names = {variable["name"] for variable in container.get("env", ())}
    assert names <= set(OWN_VARIABLES)
    if program is None:  # one that knows no vault is given nothing of it
        assert (names, [mount["name"] for mount in container["volumeMounts"]]) == (
            set(),
            ["settings"],
        )
    for mount in container["volumeMounts"]:
        assert "subPath" not in mount  # it would not follow a rotation
        is_written = mount["name"] == "settings" and program == "vaultconfig"
        assert mount.get("readOnly", False) is not is_written


@pytest.mark.parametrize("container", [each for each in EACH if "startupProbe" in each.values[0]])
def test_a_start_may_take_a_whole_deadline(container: Object) -> None:
    """No probe ends a container that still waits for the vault."""
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 2 * DEADLINE


def test_the_grace_period_is_long_enough() -> None:
    """Requests or a load that is under way, and then the close, end before SIGKILL."""
    pod = PODS["live"]
    (container,) = pod["containers"]
    after = container["command"].index("--timeout-graceful-shutdown") + 1
    longest = max(float(container["command"][after]), DEADLINE)
    assert pod["terminationGracePeriodSeconds"] >= 1.2 * (longest + LONGEST_CLOSE)


def used_keys(pod: Object, container: Object) -> Iterator[tuple[str, str]]:
    """Yield the name and key of each Secret that a container reads, by variable or by file."""
    secrets = {v["name"]: v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
    variables = container.get("env", [])
    texts = [*container.get("command", ()), *(v["value"] for v in variables if "value" in v)]
    for mount in container["volumeMounts"]:
        if mount["name"] in secrets:
            files = [Path(t).name for t in texts if t.startswith(f"{mount['mountPath']}/")]
            assert files, mount  # it is mounted in vain
            yield from ((secrets[mount["name"]], file) for file in files)
    for variable in variables:
        if "valueFrom" in variable:
            source = variable["valueFrom"]["secretKeyRef"]
            yield source["name"], source["key"]


def test_the_page_makes_every_secret() -> None:
    """Each Secret and key that a container reads is made by a command on the page."""
    page = (EXAMPLES.parents[1] / "docs/how-to/kubernetes.md").read_text(encoding="utf-8")
    commands = re.findall(r"create secret generic (\S+) (.*)", page)
    made = {
        (name, key) for name, rest in commands for key in re.findall(r"--from-file=(\S+)=", rest)
    }
    used = {each for pod in PODS.values() for c in containers(pod) for each in used_keys(pod, c)}
    assert used == made
