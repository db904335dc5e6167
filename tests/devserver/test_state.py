"""The state file: what it keeps, and what it refuses to touch."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def test_everything_is_kept(file: Path, connect) -> None:
    """Versions, metadata, tenants and deletions are there after a restart."""
    with DevServer(state=file) as first:
        first.put("a", {"x": "ä\ud800", "n": [1, None, True, 1.5]}, metadata={"tags": ["t"]})
        first.put("a", {"x": 2}, expires_in="1d", max_versions=5)
        first.put("b", {}, tenant="acme")
        first.put("gone", {})
        first.delete("gone")
        paths = ("/v1/secrets/a", "/v1/secrets/a?version=1", "/v1/secrets")
        before = [connect(first).get(path).json() for path in paths]
    with DevServer(state=file) as second:
        assert [connect(second).get(path).json() for path in paths] == before
        assert second.put("gone", {}) == 2
        assert second.put("b", {}, tenant="acme") == 2


def test_a_file_by_its_name(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect
) -> None:
    """A file may be named by a text, and stays where that was when the server was made."""
    monkeypatch.chdir(tmp_path)
    with DevServer(state=file.name) as server:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        connect(server).put("/v1/secrets/a", json={"data": {"x": 1}})
    with DevServer(state=str(file)) as server:
        assert connect(server).get("/v1/secrets/a").json()["data"] == {"x": 1}


def test_no_name_is_no_file() -> None:
    """An empty name, such as that of an unset variable, is refused, not passed over."""
    with pytest.raises(ConfigurationError, match="can't be read"):
        DevServer(state="")


def test_a_place_that_cannot_be_written(file: Path) -> None:
    """It is found when the server is made, not when the first secret would be lost."""
    (file.parent / f".{file.name}.new" / "in the way").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="can't be read and written"):
        DevServer(state=file)


def test_the_file_is_its_owners(file: Path, tmp_path: Path) -> None:
    """It is mode 0600 whatever was there before, and nothing is left beside it."""
    server = DevServer(state=file)
    assert list(tmp_path.iterdir()) == [file]
    server.put("a", {})
    file.chmod(0o644)
    server.put("a", {})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_died_half_way_is_cleared(file: Path, tmp_path: Path) -> None:
    """The rest of a killed write neither hinders the next one nor stays, and is never followed."""
    target = tmp_path / "elsewhere"
    target.write_text("keep")
    (tmp_path / ".state.json.new").symlink_to(target)
    DevServer(state=file).put("a", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "state.json"]
    assert target.read_text() == "keep"


DAMAGED = {
    "not JSON": "{",
    "not text": b"\xff",
    "another format": '{"format": 2, "entries": []}',
    "a list": "[]",
    "no entries": '{"format": 1}',
    "an entry that is none": '{"format": 1, "entries": [1]}',
    "an entry without its times": '{"format": 1, "entries": [{"tenant": "dev", "path": "a"}]}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_left_as_it_is(file: Path, text: str | bytes) -> None:
    """The server does not start on it, says what to do, and does not change it."""
    content = text if isinstance(text, bytes) else text.encode()
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="left as it is; move it away"):
        DevServer(state=file)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "damage", [{"latest": 7}, {"versions": [{"number": 1}]}, {"unknown": 1}, {"data": "text"}]
)
def test_a_damaged_entry(file: Path, damage: dict[str, object]) -> None:
    """An entry that contradicts itself, or has too little or too much is damage."""
    DevServer(state=file).put("a", {"x": 1})
    saved = json.loads(file.read_text())
    entry = saved["entries"][0]
    (entry["versions"][0] if "data" in damage else entry).update(damage)
    file.write_text(json.dumps(saved))
    with pytest.raises(ConfigurationError, match="not a state file of this version"):
        DevServer(state=file)


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    """A directory that is missing, or in place of the file, is found at the start."""
    for path in (tmp_path / "missing" / "state.json", tmp_path):
        with pytest.raises(ConfigurationError, match="state "):
            DevServer(state=path)


def test_a_write_that_cannot_be_kept_has_not_happened(tmp_path: Path, connect) -> None:
    """If the file can't be written the answer is internal_error, and the old version stands."""
    directory = tmp_path / "d"
    directory.mkdir()
    with DevServer(state=directory / "state.json") as server:
        http = connect(server)
        http.put("/v1/secrets/a", json={"data": {"x": 1}})
        (directory / "state.json").unlink()
        directory.rmdir()
        answer = http.put("/v1/secrets/a", json={"data": {"x": 2}})
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "internal_error"
        assert http.get("/v1/secrets/a").json()["data"] == {"x": 1}
