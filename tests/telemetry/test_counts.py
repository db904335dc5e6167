"""Refreshes, requests and looks into the store are counted, by outcome and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, get_args

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider

from tests.client.scripted import TOKEN, Reply, ScriptedVault, envelope, secret
from tests.live.rig import without_waiting
from tests.telemetry.rig import READER, collected, metrics_in
from vaultconfig import (
    ClientCredentials,
    LiveSettings,
    StaticToken,
    TokenFile,
    VaultClient,
    VaultSettings,
    telemetry,
)
from vaultconfig.client.codes import CODES
from vaultconfig.client.protocol import Operation
from vaultconfig.devserver import DevServer
from vaultconfig.errors import VaultConfigError, VaultUnavailableError


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]
    workers: Annotated[int, "vault:limits#workers"] = 0


@pytest.fixture
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "t"})
    vault_env.put("limits", {"workers": 4})
    return vault_env


@pytest.fixture
def scripted() -> Iterator[ScriptedVault]:
    with ScriptedVault() as vault:
        yield vault


def requests() -> dict[tuple[str, ...], int]:
    """Return how often each operation ended how; the histogram has to say the same."""
    found = collected()
    durations = found["vaultconfig.request.duration"]
    assert {key: point.count for key, point in durations.items()} == found["vaultconfig.requests"]
    assert all(0 <= point.min <= point.max for point in durations.values())
    return found["vaultconfig.requests"]


def refreshes() -> dict[tuple[str, ...], int]:
    return collected()["vaultconfig.refreshes"]


def test_refreshes_are_counted_by_outcome(filled: DevServer) -> None:
    """A success and a failure are one each, at once, with the class's name; so is the load."""
    live = LiveSettings(Settings)
    live.load()  # no thread, and so nothing but what stands here
    live.refresh()
    assert refreshes() == {("Settings", "ok"): 2}
    filled.put("limits", {"workers": "no number"})
    with pytest.raises(ValueError, match="workers"):
        live.refresh()
    assert refreshes() == {("Settings", "failed"): 1}
    filled.stop()
    with pytest.raises(VaultUnavailableError):
        live.refresh()
    assert refreshes() == {("Settings", "failed"): 1}


def test_a_start_that_fails(filled: DevServer) -> None:
    """It counts as failed, whatever the reason."""
    filled.put("limits", {"workers": "no number"})
    filled.deny("app")
    with pytest.raises(VaultConfigError):
        LiveSettings(Settings).start()
    with pytest.raises(ValueError, match="workers"):
        LiveSettings(Settings, token="given").start()
    assert refreshes() == {("Settings", "failed"): 2}


def test_each_operation(filled: DevServer, tmp_path: Path) -> None:
    """Every request of the client has a word for what it asks, and the table has them all."""
    filled.add_client("id", "the-client-secret")
    credentials = ClientCredentials(
        "id", "the-client-secret", token_url=f"{filled.url}/oauth/token", scope=""
    )
    with VaultClient(filled.url, credentials=credentials) as client:
        client.whoami()
        client.health()
        client.write("new", {"k": "v"})
        client.read("new")
        client.read_many(["new", "app"])
        list(client.list())
        with client.subscribe(["**"]) as subscription:
            client.delete("new")
            (event, *_) = subscription.poll(10)
            subscription.ack([event.event_id])
            subscription.delete()
    counted = requests()
    assert counted == {(operation, "ok"): 1 for operation in (*get_args(Operation), "token")}


@pytest.mark.parametrize("code", CODES)
def test_each_code(scripted: ScriptedVault, code: str) -> None:
    """An answer counts by the code in its envelope, if that is one of the vault's."""
    scripted.script(envelope(code, status=400))
    attempt(scripted.url)
    assert requests() == {("read", code): 1}


def never(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.recv(1)  # until the client gives up


ODD_ANSWERS: dict[str, tuple[str, Any]] = {
    "a code that is not the vault's": ("unknown_code", envelope("hunter_two", status=418)),
    "a code that is no word": ("no_code", envelope("Hunter2!", status=418)),
    "a proxy's page": ("no_code", Reply(502, b"<html>Bad gateway</html>")),
    "a redirect": ("no_code", Reply(302, b"", {"Location": "/login"})),
    "an OAuth code": ("invalid_client", envelope("invalid_client", status=401)),
    "no JSON": ("invalid_answer", Reply(200, b"welcome")),
    "another path": ("invalid_answer", Reply(200, secret("b"))),
    "too large": ("invalid_answer", Reply(200, b" " * (8 * 1024 * 1024 + 1))),
    "compressed": ("invalid_answer", Reply(200, b"", {"Content-Encoding": "gzip"})),
    "a connection that ends": ("unavailable", socket.socket.close),
    "silence": ("timeout", never),
}


@pytest.mark.parametrize("what", ODD_ANSWERS)
def test_no_code_of_the_vault(scripted: ScriptedVault, what: str) -> None:
    """What has no code of the vault's counts as one of a few words, never as the server's text."""
    word, reply = ODD_ANSWERS[what]
    scripted.script(reply)
    attempt(scripted.url, deadline=0.3 if what == "silence" else 10.0)
    assert requests() == {("read", word): 1}


def test_no_server(scripted: ScriptedVault, tmp_path: Path) -> None:
    """A vault that can't be reached is unavailable; without a token nothing is sent: an error."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    attempt(url)
    attempt(scripted.url, TokenFile(tmp_path / "missing"))
    assert requests() == {("read", "unavailable"): 1, ("read", "error"): 1}
    assert scripted.asked == []


@pytest.mark.parametrize(
    ("reply", "code", "of_read"),
    [
        (Reply(401, {"error": "invalid_client"}), "invalid_client", "error"),
        (Reply(400, {"error": "hunter2"}), "no_code", "error"),
        (Reply(503, b"busy"), "no_code", "unavailable"),
        (socket.socket.close, "unavailable", "unavailable"),
        (never, "timeout", "timeout"),
    ],
)
def test_a_token_that_is_not_to_be_had(
    scripted: ScriptedVault, reply: Any, code: str, of_read: str
) -> None:
    """The request for it counts by its own code, and the one that it was for as a failure."""
    scripted.script(reply)
    credentials = ClientCredentials("id", "s", token_url=f"{scripted.url}/token", scope="")
    attempt(scripted.url, credentials, deadline=0.3 if reply is never else 10.0)
    assert requests() == {("token", code): 1, ("read", of_read): 1}


def test_a_token_for_another_client(scripted: ScriptedVault) -> None:
    """The credentials are usable, and counted, with any client of httpx."""
    scripted.script(Reply(200, {"access_token": "t"}))
    credentials = ClientCredentials("id", "s", token_url=f"{scripted.url}/token", scope="")
    with httpx.Client(auth=credentials, trust_env=False) as client:
        assert client.get(f"{scripted.url}/anything").status_code == 200
    assert requests() == {("token", "ok"): 1}


def test_each_attempt_is_a_request(scripted: ScriptedVault) -> None:
    """Two that the vault is too busy for and one that it answers are three."""
    busy = envelope("service_unavailable", status=503)
    scripted.script(busy, busy, Reply(body=secret()))
    with VaultClient(scripted.url, credentials=StaticToken(TOKEN), sleep=lambda _: None) as client:
        client.read("a/b")
    assert requests() == {("read", "service_unavailable"): 2, ("read", "ok"): 1}


def attempt(url: str, credentials: httpx.Auth | None = None, *, deadline: float = 10.0) -> None:
    """Read once, whatever comes of it."""
    credentials = credentials or StaticToken(TOKEN)
    with (
        VaultClient(url, credentials=credentials, deadline=deadline) as client,
        suppress(VaultConfigError),
    ):
        client.read_many(["a/b"], retry=False)


def test_looks_into_the_store() -> None:
    """Each outcome counts as many secrets as it concerns; no secrets are no count."""
    for outcome, number in (("hit", 30), ("miss", 1), ("ignored", 2), ("away", 31), ("hit", 5)):
        telemetry.count_store_reads(outcome, number)  # type: ignore[arg-type]  # of a literal
    telemetry.count_store_reads("miss", 0)
    counted = collected()["vaultconfig.store.reads"]
    assert counted == {("hit",): 35, ("miss",): 1, ("ignored",): 2, ("away",): 31}


def test_durations_have_buckets_of_seconds(filled: DevServer) -> None:
    """A request over loopback and one of half a second are told apart."""
    telemetry.count_request("read", "ok", 0.0004)
    telemetry.count_request("read", "ok", 0.6)
    point = collected()["vaultconfig.request.duration"]["read", "ok"]
    assert point.explicit_bounds == telemetry.SECONDS
    assert [
        bound for bound, n in zip(point.explicit_bounds, point.bucket_counts, strict=False) if n
    ] == [0.005, 1.0]


def test_counts_from_many_threads() -> None:
    """None is lost, and none counted twice."""
    begin = threading.Barrier(8)

    def count() -> None:
        begin.wait()
        for _ in range(300):
            telemetry.count_store_reads("hit", 1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    found = 0
    while any(thread.is_alive() for thread in threads):
        found += collected()["vaultconfig.store.reads"].get(("hit",), 0)
    found += collected()["vaultconfig.store.reads"].get(("hit",), 0)
    assert found == 8 * 300


def test_what_nobody_collects() -> None:
    """It is bounded: the newest are kept."""
    for number in range(telemetry.MOST_COUNTS + 10):
        telemetry.count_store_reads("miss" if number < 10 else "hit", 1)
    assert collected()["vaultconfig.store.reads"] == {("hit",): telemetry.MOST_COUNTS}


def test_a_collection_that_hangs(filled: DevServer, provider: MeterProvider) -> None:
    """While one hangs in somebody else's gauge, a load and a refresh go on."""
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(_options: object) -> list[Any]:
        if not goes_on.is_set():
            hangs.set()
            goes_on.wait()
        return []

    provider.get_meter("other").create_observable_gauge("hanging", [hang])
    collecting = threading.Thread(target=READER.get_metrics_data)
    collecting.start()
    try:
        assert hangs.wait(60)

        def use() -> str:
            with LiveSettings(Settings) as live:
                live.refresh()
                return live.current.token

        assert without_waiting(use) == "t"
    finally:
        goes_on.set()
        collecting.join()


def test_the_names_are_those_of_the_contract() -> None:
    """The kind of each instrument is what OpenTelemetry makes of it."""
    telemetry.count_refresh(Settings, failed=False)
    telemetry.count_request("read", "ok", 1.0)
    telemetry.count_store_reads("hit", 1)
    kinds = {m.name: type(m.data).__name__ for m in metrics_in(READER.get_metrics_data())}
    made_of = {"counter": "Sum", "histogram": "Histogram"}
    counted = [each for each in telemetry.INSTRUMENTS if each.kind in made_of]
    assert kinds == {each.name: made_of[each.kind] for each in counted}
