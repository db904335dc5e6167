"""The page shows what was measured last, and what measures it does what it says."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.benchmarks.peers import child
from tests.benchmarks.peers.__main__ import PEERS, ROOT, TURNS, Bench, Peer, Unable, timed, told_of
from tests.benchmarks.peers.works import (
    DENIED,
    MOUNT,
    SAME,
    SMALL,
    WORKS,
    WRAPPED,
    path_of,
    secrets_of,
)
from tests.benchmarks.pictures import PICTURES, Picture
from tests.benchmarks.report import NUMBERS, PAGE, TABLES, Table, page_with
from tests.benchmarks.server import Loopback
from tests.benchmarks.subjects import pointed_at

BASICS = {"date": "2026-11-26", "machine": "2 cores", "versions": {}}


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NUMBERS.read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def vault() -> Iterator[Loopback]:
    secrets = {path: data for work in WORKS.values() for path, data in secrets_of(work).items()}
    with Loopback(secrets, delay=0.0, wrapped=WRAPPED) as vault:
        yield vault


class TestPage:
    """It is made of the numbers and nothing else."""

    def test_it_shows_the_numbers(self, numbers: dict[str, Any]) -> None:
        """Its tables, and what it says of its pictures; else run the benchmark again."""
        page = PAGE.read_text("utf-8")
        assert page == page_with(numbers, page)
        assert numbers.keys() == TABLES.keys()

    def test_all_turns_are_there(self, numbers: dict[str, Any]) -> None:
        """A series has a value a turn; if the turns are few, the page calls the machine busy."""
        peers = numbers["peers"]
        runs = [run for work in peers["works"].values() for run in work.values()]
        series = [each for run in runs for each in run.values() if isinstance(each, list)]
        assert {len(each) for each in series} == {peers["turns"]}
        assert peers["turns"] == TURNS or "busy" in peers["machine"]

    @pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
    def test_its_pictures_show_them(self, picture: Picture, numbers: dict[str, Any]) -> None:
        """Each bar; and there is no script, style or file from anywhere else in them."""
        drawn = picture.file.read_text("utf-8")
        assert drawn == picture.svg_of(numbers[picture.name])
        assert set(re.findall(r"https?://[\w.]+", drawn)) == {"http://www.w3.org"}
        assert not re.search(r"<(script|image|style|use|a)\b|href|url\(", drawn)


class TestTables:
    """What is over, missing or did not happen is said."""

    def test_what_did_not_happen_in_time(self) -> None:
        """One time that it did not is not hidden behind the median of the others."""
        rows = {"rotation": [1.0, None, 0.5], "leader killed": [7.0, 1.25, 2.5], "not up": [161]}
        (table,) = TABLES["fleet"]({"without": rows, "with": {}})
        assert list(table.rows) == [
            ["200 hosts start together: not up after 10 s", "0", "161", "–", "over"],
            ["a rotation reaches all, in s", "2", "not all", "–", "over"],
            ["the leader is killed, and a rotation reaches all, in s", "12", "2.50", "–", "ok"],
        ]

    def test_one_process(self) -> None:
        """Only what is over its target is called so; quartiles need four values."""
        (table,) = TABLES["bench"](
            {
                "rows": [
                    {"name": "slow", "target": 1.1, "measures": [1.0, 1.2, 1.4]},
                    {
                        "name": "even",
                        "target": 1.1,
                        "measures": [1.1] * 4,
                        "ours": 2e-3,
                        "theirs": 2.0,
                    },
                    {"name": "help", "target": 1.2, "measures": [], "counted": "M"},
                ]
            }
        )
        assert list(table.rows) == [
            ["slow", "1.1 ×", "1.20 ×", "", "3", "", "", "over"],
            ["even", "1.1 ×", "1.10 ×", "1.10 to 1.10", "4", "2 ms", "2 s", "ok"],
            ["help", "1.2 ×", "not measured", "", "", "", "", ""],
        ]

    def test_a_library_that_cannot_be_run(self) -> None:
        """It stands in the table with the reason, and the others are measured."""
        run = {"load": [0.1], "limits": [0.1], "second": [0.1], "first": [0.1], "process": [0.5]}
        run |= {"import": [0.2], "memory": [30.0], "requests": 1, "connections": 1, "bytes": 9_000}
        limit = {"title": "the limit", "typed": False, "wrong": 0}
        limit |= {"denied": "an error", "denied_after": 0.1}
        broken = {"title": "broken 2", "typed": True, "missing": "it has no wheel"}
        tables = TABLES["peers"](
            {
                "peers": {"limit": limit, "limit_again": limit, "broken": broken},
                "works": {"2 fields": {"limit": run, "limit_again": run}},
            }
        )
        assert [table.title for table in tables] == [
            "Compared turn by turn",
            "2 fields",
            "Each library",
        ]
        assert tables[-1].rows[-1] == [
            "broken 2",
            "–",
            "–",
            "–",
            "not measured: it has no wheel",
        ]

    def test_both_forms(self) -> None:
        """The terminal has columns, the page Markdown."""
        table = Table("Sizes", ("", "MB"), [("one", "1"), ("a|b", "11")])
        assert table.terminal() == "Sizes\n     MB\none   1\na|b  11\n"
        lines = ["|  | MB |", "| --- | --- |", "| one | 1 |", "| a\\|b | 11 |"]
        assert table.markdown(is_alone=True).splitlines() == lines
        assert table.markdown(is_alone=False).splitlines() == ["**Sizes**", "", *lines]


class TestServer:
    """Both APIs hold the same secrets."""

    def test_it_speaks_both(self, vault: Loopback) -> None:
        """A secret of ScaiVault, a version 2 secret, and what dynaconf's writer makes of it."""
        path, secrets = path_of(SAME, 3), secrets_of(SAME)
        assert ask(vault, f"/v1/secrets/{path}")["data"] == secrets[path]
        assert ask(vault, f"/v1/{MOUNT}/data/{path}")["data"]["data"] == secrets[path]
        assert ask(vault, f"/v1/{WRAPPED}/data/{path}")["data"]["data"] == {"data": secrets[path]}
        listed = ask(vault, f"/v1/secret/metadata/{SAME.name}?list=true")["data"]["keys"]
        assert [f"{SAME.name}/{key}" for key in listed] == list(secrets)

    @pytest.mark.parametrize("api", ["secrets", "secret/data"])
    def test_a_denied_secret(self, vault: Loopback, api: str) -> None:
        """Both answer 403."""
        with pytest.raises(HTTPError, match="403") as caught:
            ask(vault, f"/v1/{api}/{path_of(DENIED, 7)}")
        caught.value.close()

    def test_it_counts(self, vault: Loopback) -> None:
        """Requests, connections and bytes since it was asked last; asking does not count."""
        vault.counts()
        ask(vault, "/v1/auth/token/lookup-self")
        requests, connections, wire = vault.counts()
        assert (requests, connections) == (1, 1)
        assert wire > 0
        assert tuple(vault.counts()) == (0, 0, 0)


class TestPrograms:
    """What is measured has loaded the right values, or is told to have failed."""

    @pytest.mark.parametrize("module", ["limit", "ours"])
    def test_the_right_values(self, vault: Loopback, module: str) -> None:
        """Each path has the same keys, and no field has a value of another path's."""
        with pointed_at(vault):
            found = child.main(module, SAME, 1)
        assert found["wrong"] == 0
        assert len(found["load"]) == len(found["limits"]) == len(found["second"]) == 1


class TestPeers:
    """They are listed once."""

    def test_their_versions_are_known(self) -> None:
        """Each library has one in .ci/peers.txt, or the newest would be measured."""
        listed = (ROOT / ".ci/peers.txt").read_text("utf-8")
        known = set(re.findall(r"^([^#=\s]+)==", listed, re.MULTILINE))
        assert {peer.distribution for peer in PEERS.values()} - known == {"scaivault-config"}


class TestTimed:
    """Only right values are timed."""

    def test_wrong_values(self, tmp_path: Path) -> None:
        """A run that has loaded others ends the benchmark."""
        wrong = {path: dict.fromkeys(data or {}, "?") for path, data in secrets_of(SMALL).items()}
        with (
            Loopback(wrong, delay=0.0) as vault,
            pytest.raises(Unable, match="ours has loaded 50 wrong values of 'small'"),
        ):
            timed(["ours"], SMALL, Bench(vault, str(tmp_path)))


class TestUnable:
    """A library that can't be measured does not end the benchmark."""

    @pytest.fixture
    def bench(self, vault: Loopback, tmp_path: Path) -> Bench:
        return Bench(vault, str(tmp_path))

    @pytest.mark.parametrize(
        ("distribution", "reason"),
        [
            ("no-such-library", "no-such-library is not installed"),
            (
                "httpx",
                "ModuleNotFoundError: No module named 'tests.benchmarks.peers.programs.gone'",
            ),
        ],
    )
    def test_the_reason(
        self, bench: Bench, distribution: str, reason: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that is not installed, and one that ends with an error."""
        monkeypatch.setitem(PEERS, "gone", Peer("Gone {}", distribution, typed=True))
        assert told_of("gone", bench)["missing"] == reason

    def test_a_denied_secret(self, bench: Bench) -> None:
        """It is no reason: what the error says, and how long it took, is the measurement."""
        told = told_of("ours", bench)
        assert told["denied"] == "UnresolvedSettingsError, which names the path"
        assert told["denied_after"] > 0


def ask(vault: Loopback, target: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(vault.url + target) as answer:
        return json.load(answer)
