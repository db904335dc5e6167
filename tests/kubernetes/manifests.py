"""The manifests of examples/kubernetes, and a node that runs their containers as processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tests.valkey import _program

EXAMPLES = Path(__file__).parents[2] / "examples" / "kubernetes"
FILES = sorted(EXAMPLES.glob("*.yaml"))
Object: TypeAlias = dict[str, Any]
Secrets: TypeAlias = Mapping[str, Mapping[str, str]]

_PYTHON = (sys.executable, "-W", "error", "-m")
PROGRAMS = {
    "vaultconfig": (*_PYTHON, "vaultconfig"),
    "uvicorn": (*_PYTHON, "uvicorn"),
    "valkey-server": (str(_program("valkey")),),
}


def objects(file: Path) -> list[Object]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def pods() -> Iterator[tuple[str, Object]]:
    """Yield the name of each file that has a pod, and its specification."""
    for file in FILES:
        for thing in objects(file):
            if thing["kind"] == "Deployment":
                yield file.stem, thing["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


class MountedSecret:
    """A Secret in a directory as the kubelet writes it: links into a directory that it replaces.

    Each key is a link to ``..data/KEY``, and ``..data`` one to the directory of this version.
    """

    def __init__(self, path: Path, data: Mapping[str, str]) -> None:
        path.mkdir(parents=True)
        self.path = path
        self.replace(data)

    def replace(self, data: Mapping[str, str]) -> None:
        """Write a new version, swap it in with one rename, and remove the old one."""
        link = self.path / "..data"
        old = link.resolve() if link.is_symlink() else None
        version = Path(tempfile.mkdtemp(prefix="..2026_", dir=self.path))
        for key, text in data.items():
            (version / key).write_text(text, encoding="utf-8")
            (version / key).chmod(0o440)
        version.chmod(0o755)
        (self.path / "..data_tmp").symlink_to(version.name)
        (self.path / "..data_tmp").rename(link)
        for key in data:
            if not (self.path / key).is_symlink():
                (self.path / key).symlink_to(f"..data/{key}")
        if old is not None:
            shutil.rmtree(old)


@dataclass
class Node:
    """Runs the containers of one pod: its volumes are directories, its images this package.

    Attributes:
        pod: The specification.
        directory: Where its volumes are.
        secrets: What the cluster holds, by name and key.
        replaced: Texts of the manifest that are others here, such as the vault's address.
    """

    pod: Object
    directory: Path
    secrets: Secrets = field(repr=False)
    replaced: Mapping[str, str]
    mounted: dict[str, MountedSecret] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.copytree(EXAMPLES, self.directory / "image")
        for volume in self.pod["volumes"]:
            path = self.directory / volume["name"]
            if "emptyDir" in volume:
                path.mkdir()
                path.chmod(0o777)  # as the kubelet makes it
            else:
                data = self.secrets[volume["secret"]["secretName"]]
                items = volume["secret"].get("items") or [{"key": k, "path": k} for k in data]
                shown = {item["path"]: data[item["key"]] for item in items}
                self.mounted[volume["name"]] = MountedSecret(path, shown)

    def container(self, name: str) -> Object:
        (found,) = (c for c in containers(self.pod) if c["name"] == name)
        return found

    def start(self, container: Object) -> subprocess.Popen[bytes]:
        """Start its command with its environment and its mounts, and no others."""
        program, *args = [*container["command"], *container.get("args", ())]
        return subprocess.Popen(
            [*PROGRAMS[program], *(self.here(container, arg) for arg in args)],
            cwd=self.directory / "image",
            env=self.environment(container),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def environment(self, container: Object) -> dict[str, str]:
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1",
        }
        for variable in container.get("env", ()):
            text = variable.get("value")
            if text is None:
                source = variable["valueFrom"]["secretKeyRef"]
                text = self.secrets[source["name"]][source["key"]]
            given[variable["name"]] = self.here(container, text)
        return given

    def here(self, container: Object, text: str) -> str:
        """Return *text* with the paths and addresses that it has on this node."""
        places = {
            mount["mountPath"]: str(self.directory / mount["name"])
            for mount in container.get("volumeMounts", ())
        }
        here = {**places, **self.replaced}
        # All at once, since a number that was put in may hold another that is replaced.
        return re.sub("|".join(map(re.escape, here)), lambda found: here[found[0]], text)
