"""The page of the API is that of the code: its names, signatures and docstrings."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import vaultconfig.drivers
from tests.docs.api import INTERNAL, MODULES, PAGE, page
from tests.docs.blocks import PAGES, blocks_of, name_of

EXPORTED = {module: import_module(module).__all__ for module in MODULES}


def test_the_page_is_that_of_the_code(caplog: pytest.LogCaptureFixture) -> None:
    """``make api`` would change nothing, and each docstring names arguments that there are."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run make api"
    assert caplog.text == ""


def test_it_has_exactly_the_public_names() -> None:
    """A name is on the page if its module exports it when it runs, and only then."""
    headings = re.findall(r"^#{2,3} ([\w.]+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    modules = [name for name in headings if name in MODULES]
    assert modules == list(MODULES)
    exported = [name for names in EXPORTED.values() for name in names]
    names = [name.rpartition(".")[2] for name in headings if name not in MODULES]
    assert sorted(names) == sorted(exported)


def test_it_has_every_public_method() -> None:
    """An inherited one stands under the class that defines it, which has to be on the page too."""
    headings = re.findall(r"^#{4} ([\w.]+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    exported = [(module, name) for module, names in EXPORTED.items() for name in names]
    kinds = [getattr(import_module(module), name) for module, name in exported if name[0].isupper()]
    found = {
        f"{each.defining_class.__name__}.{each.name}"
        for kind in filter(inspect.isclass, kinds)
        for each in inspect.classify_class_attrs(kind)
        if each.kind != "data" and each.name[0] != "_"
        if each.defining_class.__module__.startswith("vaultconfig.")
    }
    assert found - INTERNAL == {*headings}


def test_every_driver_is_on_it() -> None:
    """A driver that is added joins the page."""
    files = Path(vaultconfig.drivers.__path__[0]).glob("[a-z]*.py")
    drivers = {f"vaultconfig.drivers.{file.stem}" for file in files} - {"vaultconfig.drivers.login"}
    assert drivers == {name for name in MODULES if name.startswith("vaultconfig.drivers.")}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_imports_public_names(page: Path) -> None:
    """What a page has its reader import is on the page of the API."""
    private = []
    for block in blocks_of(page):
        nodes = ast.walk(ast.parse(block.text)) if block.language == "python" else ()
        for node in nodes:
            if isinstance(node, ast.Import):
                ours = [each.name for each in node.names if each.name.startswith("vaultconfig")]
                private += [f"{block}: {name}" for name in ours if name not in MODULES]
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("vaultconfig"):
                exported = EXPORTED.get(str(node.module), ())
                names = [each.name for each in node.names if each.name not in exported]
                private += [f"{block}: {node.module}.{name}" for name in names]
    assert private == []
