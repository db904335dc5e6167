"""What is in wheel and source distribution, and what their metadata says."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet

from tests.packaging.conftest import ROOT, VERSION, build

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Metadata:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Metadata.from_email(archive.read(name))  # which validates it


def test_the_wheel_holds_the_package_alone(wheel: Path) -> None:
    """Each of its files, the mark for type checkers among them; no test, no example, no page."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        str(file.relative_to(ROOT)) for file in ROOT.glob("vaultconfig/**/*") if file.is_file()
    }
    assert held == {name for name in files if "__pycache__" not in name}
    assert "vaultconfig/py.typed" in held


def test_the_source_distribution_holds_what_tests_it(sdist: Path, tmp_path: Path) -> None:
    """Package, tests, pages and their tools, and nothing that a working directory has besides."""
    with tarfile.open(sdist) as archive:
        held = {PurePosixPath(*PurePosixPath(name).parts[1:]) for name in archive.getnames()}
    folders = {path.parts[0] for path in held if len(path.parts) > 1}
    assert folders == {".ci", ".github", "docs", "examples", "tests", "vaultconfig"}
    assert {*map(str, held)} >= {
        *("pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO"),
        *("tests/packaging/test_built.py", ".ci/constraints.txt", ".pre-commit-hooks.yaml"),
    }
    assert not [path for path in held if {"__pycache__", ".git"} & {*path.parts}]
    assert not [path for path in held if path.name.startswith(".venv")]


def test_the_source_distribution_builds_the_same_wheel(
    sdist: Path, wheel: Path, tmp_path: Path
) -> None:
    """Byte for byte, so that what is tested is what anybody gets from the sources."""
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.2 has none
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(tmp_path)
    build(next(tmp_path.iterdir()), tmp_path / "dist", "-t", "wheel")
    assert (tmp_path / "dist" / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_metadata_is_complete(metadata: Metadata) -> None:
    """It names license, readme, Python and what the package is about, all of it valid.

    That the index knows the classifiers, hatchling checks whenever it builds.
    """
    assert (metadata.name, str(metadata.version)) == ("scaivault-config", VERSION)
    assert metadata.license_expression == "MIT"
    assert metadata.license_files == ["LICENSE"]
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata.summary
    assert metadata.keywords
    assert {*(metadata.provides_extra or ())} == {*PROJECT["optional-dependencies"]}


def test_the_classifiers_name_each_python_that_is_tested() -> None:
    """From the oldest that may be installed to the newest that `make test-pythons` looks for."""
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    oldest, newest = (int(version.partition(".")[2]) for version in (named[0], named[-1]))
    assert named == [f"3.{minor}" for minor in range(oldest, newest + 1)]
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert f"3.{oldest}" in allowed
    assert f"3.{oldest - 1}.99" not in allowed
    looked_for = re.search(r"for minor in (.*); do", (ROOT / ".ci/pythons").read_text())
    assert looked_for is not None
    assert looked_for[1].split() == named


def test_nothing_is_invented() -> None:
    """Addresses and authors are the owner's to fill in; CONTRIBUTING.md has the list of them."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    missing = {"urls", "authors"} - PROJECT.keys()
    for name in missing:
        assert f"`{name}`" in page, f"pyproject.toml has no {name}, and CONTRIBUTING.md not either"
