"""Facts that stand in more than one place, since a page or a help text needs them: they agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic_settings
import pytest

import vaultconfig
from vaultconfig.cli.checking.survey import READS_A_MINUTE
from vaultconfig.connection.connection import (
    CONNECTION_VARIABLES,
    CREDENTIALS,
    DEADLINE,
    DEVELOPMENT_DEADLINE,
    SET_CREDENTIALS,
    Connection,
    read_connection,
)
from vaultconfig.connection.variables import (
    NOT_READ_BY_US,
    OWN_VARIABLES,
    PRIVATE_VARIABLES,
    misspelt_variables,
)
from vaultconfig.devserver import paths as of_dev_server
from vaultconfig.devserver.limits import DOCUMENTED_LIMITS
from vaultconfig.references import VaultRef, paths
from vaultconfig.references.options import OPTIONS, UNSET, query
from vaultconfig.render import dialects, dotenv

ROOT = Path(__file__).parents[2]
PACKAGE = Path(vaultconfig.__file__).parent
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
NAME = re.compile(r"(?<![\w.])(?:SCAIVAULT|SCAIKEY|VAULTCONFIG)_[A-Z_]*[A-Z]\b")
OF_DJANGO = "VAULTCONFIG_DATABASES"  # a name in settings.py, no variable

NO_CREDENTIAL = {
    *("url", "token_url", "scope", "client_auth", "tenant", "allow_http"),
    *("deadline", "ttl", "max_stale", "store", "store_key", "store_key_file", "application"),
}
OF_THE_STORE = {"VAULTCONFIG_STORE", "VAULTCONFIG_STORE_KEY", "VAULTCONFIG_STORE_KEY_FILE"}


def rows(page: str) -> dict[str, str]:
    """Return the rows of the tables of a page, by each of the variables in the first column."""
    found = {}
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        for name in NAME.findall(line.split("|")[1]) if line.startswith("|") else ():
            found[name] = line
    return found


@pytest.mark.parametrize("field", [n for n, f in Connection.model_fields.items() if f.alias])
def test_each_setting_of_the_connection(field: str) -> None:
    """It is a credential or not, and stands on the page with its default."""
    variable = str(Connection.model_fields[field].alias)
    assert (variable in CREDENTIALS) is (field not in NO_CREDENTIAL)
    assert (variable in PRIVATE_VARIABLES) is (variable in {*CREDENTIALS, *OF_THE_STORE})
    assert (variable in SET_CREDENTIALS) is (variable in CREDENTIALS)
    row = rows("docs/reference/connection.md")[variable]
    default = Connection.model_fields[field].default
    if isinstance(default, str):
        assert f"`{default}`" in row
    assert list(misspelt_variables([variable.lower()])) == [(variable.lower(), variable)]


def test_what_the_page_of_run_takes_out() -> None:
    """The page names each credential that a program does not inherit."""
    page = (ROOT / "docs/reference/command-line.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in PRIVATE_VARIABLES)
    assert set(CREDENTIALS) < set(PRIVATE_VARIABLES)


def test_the_deadlines_on_the_page() -> None:
    """The page has both deadlines."""
    row = rows("docs/reference/connection.md")["VAULTCONFIG_DEADLINE"]
    assert f"{DEADLINE:.0f} s; {DEVELOPMENT_DEADLINE:.0f} s in development" in row


def test_every_setting_is_traced_to_its_source(tmp_path: Path) -> None:
    """Messages say of each variable whether it came from `.env`."""
    connection = read_connection({"SCAIVAULT_TOKEN": "t"}, env_file=tmp_path / ".env")
    (tmp_path / ".env").write_text("VAULTCONFIG_TTL=1\n")
    stored = read_connection({"SCAIVAULT_TOKEN": "t"}, env_file=tmp_path / ".env")
    for name in CONNECTION_VARIABLES:
        assert connection.source_of(name) == name
        assert stored.source_of(name) == f"{name}{' in .env' * (name == 'VAULTCONFIG_TTL')}"


def test_every_variable_that_is_named() -> None:
    """A variable in a message, a help text or a page is one that has a meaning."""
    files = [*PACKAGE.rglob("*.py"), *PAGES, *(ROOT / "examples").rglob("*.*")]
    texts = {file: file.read_text(encoding="utf-8") for file in files if file.suffix != ".pyc"}
    for file, text in texts.items():
        unknown = set(NAME.findall(text)) - {*OWN_VARIABLES, *NOT_READ_BY_US, OF_DJANGO}
        assert not unknown, file
    assert set(OWN_VARIABLES) <= {name for text in texts.values() for name in NAME.findall(text)}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SCAIVAULT_TOKN", "SCAIVAULT_TOKEN"),
        ("VAULTCONFIG_TLL", "VAULTCONFIG_TTL"),
        ("VAULTCONFIG_ENV", "VAULTCONFIG_ENVIRONMENT"),
        ("VAULTCONFIG_TOKEN", "SCAIVAULT_TOKEN"),
        ("SCAIVAULT_CLIENT_ID", "SCAIKEY_CLIENT_ID"),
        ("scaivault_url", "SCAIVAULT_URL"),
        ("SCAIVAULT_TENANT", "SCAIVAULT_TENANT_ID"),
        ("VAULTCONFIG_APP", "VAULTCONFIG_APPLICATION"),
        ("VAULTCONFIG_STORE_KEYS", "VAULTCONFIG_STORE_KEY"),
        ("VAULTCONFIG_STORE_URL", "VAULTCONFIG_STORE"),
    ],
)
def test_a_variable_that_is_nearly_ours(name: str, meant: str) -> None:
    """The one that it is closest to is known, whatever prefix it has."""
    assert list(misspelt_variables([name])) == [(name, meant)]


@pytest.mark.parametrize(
    "name",
    [
        *OWN_VARIABLES,
        *NOT_READ_BY_US,
        *("TOKEN", "VAULT_TOKEN", "PATH", "SCAIVAULT", "SCAIVAULT_", "SCAIVAULT_PORT"),
        *("SCAIVAULT_PORT_8200_TCP_ADDR", "SCAIVAULT_SERVICE_HOST", "SCAIVAULT_SERVICE_PORT_HTTP"),
        *("_VAULTCONFIG_COMPLETE", "APP_SCAIVAULT_URL"),
    ],
)
def test_variables_of_others(name: str) -> None:
    """Our own, those of other tools and of Kubernetes, and other names are nobody's mistake."""
    assert list(misspelt_variables([name])) == []


@pytest.mark.parametrize("name", ["VAULTCONFIG_DEFAULT", "VAULTCONFIG_X"])
def test_a_variable_that_is_like_none_of_ours(name: str) -> None:
    """One that begins like ours is named, though nothing may be meant by it."""
    assert list(misspelt_variables([name])) == [(name, None)]


def test_the_rules_of_paths() -> None:
    """The dev server, which shares no code with us, has the same limits as grammar and client."""
    assert (paths.MAX_LENGTH, paths.MAX_LEVELS) == (
        of_dev_server.MAX_LENGTH,
        of_dev_server.MAX_LEVELS,
    )


def test_the_formats() -> None:
    """The command line, the renderer and the page about them have the same formats."""
    page = (ROOT / "docs/reference/dialects.md").read_text(encoding="utf-8")
    assert list(dialects.FORMATS) == re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    documents = [made for name in dialects.FORMATS if (made := dialects.dialect(name)) != dotenv]
    data = [f"`{made.name}`" for made in documents if not getattr(made, "environment", True)]
    assert f"in the formats {', '.join(data[:-1])} and {data[-1]}, one that" in page


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_of_a_reference(name: str) -> None:
    """It has a row on the page, and `VaultRef` has a keyword for it, which is not overlooked."""
    page = (ROOT / "docs/reference/references.md").read_text(encoding="utf-8")
    assert list(OPTIONS) == re.findall(r"^\| `(\w+)(?:=[A-Z]+)?` \|", page, re.MULTILINE)
    value = 60 if OPTIONS[name].parse else True
    given: Any = {name: value}
    assert str(VaultRef("vault:a", **given)) == f"vault:a{query({**UNSET, **given})}"


def private_names_of_pydantic_settings() -> set[str]:
    """Return the private methods of its classes, and the attribute that its sources share."""
    classes = (getattr(pydantic_settings, name) for name in pydantic_settings.__all__)
    kinds = {kind for found in classes if isinstance(found, type) for kind in found.__mro__}
    ours = (kind for kind in kinds if kind.__module__.startswith("pydantic_settings"))
    names = {name for kind in ours for name in vars(kind) if name.startswith("_")}
    return {"_init_state"} | {name for name in names if not name.endswith("__")}


def used_names(file: Path) -> Iterator[str]:
    """Yield attributes and methods in *file*, and what it takes from pydantic-settings."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name):
                yield name
            case ast.ImportFrom(module=str(module)) if module.startswith("pydantic_settings"):
                yield from (f"{module}.{alias.name}" for alias in node.names)


def test_private_names_of_pydantic_settings() -> None:
    """They stand in one file."""
    private = private_names_of_pydantic_settings()
    files = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        for name in used_names(file)
        if name in private or "._" in name
    }
    assert files == {"source/upstream.py"}


OUTSIDE = re.compile(r"\b(environ|getenv|socket|open|read_bytes|getcwd|time|monotonic|now)\b")


def names_that_reach_outside(file: Path) -> set[str]:
    """Return what *file* names of the process, files, sockets and clocks."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {part for alias in node.names for part in alias.name.split(".")}
    return set(filter(OUTSIDE.fullmatch, names))


def test_a_load_is_pure() -> None:
    """Nothing in `loading` or `references` looks at the process, a file, a socket or a clock."""
    files = [*(PACKAGE / "loading").glob("*.py"), *(PACKAGE / "references").glob("*.py")]
    assert {str(f): found for f in files if (found := names_that_reach_outside(f))} == {}
    assert names_that_reach_outside(PACKAGE / "source" / "asking.py") == {"environ"}
    assert names_that_reach_outside(PACKAGE / "latch.py") == set()


def test_a_load_knows_neither_http_nor_the_vault() -> None:
    """Importing it loads nothing of either."""
    code = (
        "import vaultconfig.loading.load, sys; print([m for m in sys.modules"
        " if m.startswith(('httpx', 'vaultconfig.client', 'vaultconfig.vaults'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_limit_of_reads() -> None:
    """The check and the dev server, which shares no code with us, have the same limit."""
    assert DOCUMENTED_LIMITS["read"] == READS_A_MINUTE
