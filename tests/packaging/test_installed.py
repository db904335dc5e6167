"""The wheel in an environment that has nothing else: what works there, and what names an extra."""

from __future__ import annotations

import base64
from importlib.metadata import entry_points

import pytest

from tests.packaging.conftest import VERSION, Environment, needed
from tests.packaging.test_built import PROJECT
from vaultconfig.devserver import DevServer

CANARY = "canary-3b1d"
APP = """
from typing import Annotated

from pydantic import SecretStr

from vaultconfig import LiveSettings, VaultSettings


class Settings(VaultSettings):
    token: Annotated[SecretStr, "vault:app#token"]


if __name__ == "__main__":
    with LiveSettings(Settings) as live:
        print(repr(live.current), len(live.current.token.get_secret_value()))
"""
IMPORT_ALL = """
import importlib, pkgutil, vaultconfig
found = pkgutil.walk_packages(vaultconfig.__path__, "vaultconfig.", lambda name: None)
for module in found:
    if not module.name.endswith(".__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            print(f"{module.name}\\t{type(error).__name__}\\t{error}")
"""
EXTRA = {
    "vaultconfig.devserver": "dev-server",
    "vaultconfig.django": "django",
    "vaultconfig.fastapi": "fastapi",
    "vaultconfig.store.server": "redis",
}
"""The extra for each module that needs one, and for what is in it."""

WITHOUT_EXTRA = {
    "vaultconfig.drivers.asyncpg": "asyncpg",  # a driver is installed by who uses it
    "vaultconfig.drivers.psycopg": "psycopg",
    "vaultconfig.drivers.redis": "redis",
    "vaultconfig.drivers.sqlalchemy": "sqlalchemy",
    "vaultconfig.render.trees": "yaml",  # inside: where they are used, the extra is named
    "vaultconfig.store.sealing": "cryptography",
    "vaultconfig.store.store": "cryptography",
    "vaultconfig.testing": "pytest",  # a plugin, loaded by it
}
"""What is missing for each of the others that can't be imported."""


@pytest.fixture
def shop(core: Environment, vault: DevServer) -> dict[str, str]:
    """A settings class in the directory, and the variables for a vault that has its secret."""
    vault.put("app", {"token": CANARY})
    (core.directory / "app.py").write_text(APP)
    return {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token}


def test_nothing_else_is_installed(core: Environment) -> None:
    """No extra, no test, no example: the names that can be imported are those of the core."""
    (packages,) = core.programs.parent.glob("lib/python*/site-packages")
    installed = {f.name.partition("-")[0] for f in packages.glob("*.dist-info")}
    assert {name.replace("_", "-").lower() for name in installed} == {
        "scaivault-config",
        *needed("scaivault-config"),
    }
    assert not {"tests", "examples", "docs"} & {file.name for file in packages.iterdir()}


def test_the_command_tells_version_and_help(core: Environment) -> None:
    """By its name and by ``python -m``, without a warning."""
    for command in (["vaultconfig"], ["python", "-W", "error", "-m", "vaultconfig"]):
        done = core.run(*command, "--version")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"vaultconfig {VERSION}\n", "")
    done = core.run("vaultconfig", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Write settings into a file." in done.stdout


def test_a_first_load_works(core: Environment, shop: dict[str, str]) -> None:
    """The core is enough for settings from a vault, live ones too, and for what prints them."""
    done = core.run("python", "-W", "error", "app.py", **shop)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Settings(token=SecretStr('**********')) {len(CANARY)}\n"
    done = core.run("vaultconfig", "render", "app:Settings", "-o", "-", **shop)
    assert (done.returncode, done.stdout) == (0, f"TOKEN={CANARY}\n")


def test_a_module_that_needs_an_extra_names_it(core: Environment) -> None:
    """All others can be imported, but those that belong to somebody else's library."""
    told = core.run("python", "-W", "error", "-c", IMPORT_ALL).stdout.splitlines()
    failed = {module: (kind, message) for module, kind, message in (t.split("\t") for t in told)}
    for module, (kind, message) in failed.items():
        extra = next((EXTRA[part] for part in EXTRA if f"{module}.".startswith(f"{part}.")), None)
        if extra is None:
            assert message == f"No module named {WITHOUT_EXTRA[module]!r}"
        else:
            assert kind == "MissingExtraError"
            assert message.endswith(f": pip install 'scaivault-config[{extra}]'")
    assert failed.keys() == {*EXTRA, *WITHOUT_EXTRA}


STORE = {
    "VAULTCONFIG_STORE_KEY": base64.b64encode(b"k" * 32).decode(),
    "VAULTCONFIG_APPLICATION": "shop",
}


@pytest.mark.parametrize(
    ("extra", "command", "variables"),
    [
        ("dev-server", "dev-server", {}),
        ("dev-server", "demo", {}),
        ("store", "run app:Settings -- true", {"VAULTCONFIG_STORE": "file:kept", **STORE}),
        (
            "redis",
            "run app:Settings -- true",
            {"VAULTCONFIG_STORE": "redis://x:1", **STORE},
        ),
        ("yaml", "render app:Settings -f yaml -o settings.yaml", {}),
    ],
)
def test_a_command_that_needs_an_extra_names_it(
    core: Environment, shop: dict[str, str], extra: str, command: str, variables: dict[str, str]
) -> None:
    """In one sentence, with the exit code of the configuration."""
    (core.directory / "settings.yaml").write_text("# of somebody else\nTOKEN: x\n")
    done = core.run("vaultconfig", *command.split(), **shop, **variables)
    first, *more = done.stderr.splitlines()
    assert (done.returncode, done.stdout, more) == (3, "", [])
    assert first.startswith("Error: ")
    assert first.endswith(f": pip install 'scaivault-config[{extra}]'")


def test_each_extra_is_tried() -> None:
    """But for OpenTelemetry's: without it nothing is counted, and nothing is missing."""
    extras = PROJECT["optional-dependencies"].keys()
    assert extras == {*EXTRA.values(), "store", "yaml", "otel", "all"}


def test_pytest_finds_the_fixtures() -> None:
    """The entry point has the name by which `-p no:vaultconfig` turns them off."""
    (found,) = (e for e in entry_points(group="pytest11") if e.name == "vaultconfig")
    assert found.value == "vaultconfig.testing"
