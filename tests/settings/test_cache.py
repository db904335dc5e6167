"""One cache and one flight a connection: what is asked, by whom, and how often."""

import copy
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tests.settings.loading import Asked, reasons
from vaultconfig import VaultRef, VaultSettings, VaultSettingsSource, provenance
from vaultconfig.connection.connection import Connection
from vaultconfig.devserver import DevServer
from vaultconfig.errors import AuthenticationError, VaultUnavailableError
from vaultconfig.secret import SecretKey
from vaultconfig.source import asking
from vaultconfig.vaults import shared
from vaultconfig.vaults.shared import connect
from vaultconfig.vaults.vault import Vault


class Clock:
    """Seconds that stand still until they are advanced."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "first"})
    return vault_env


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Let the vaults of this test live by a clock that the test advances."""
    clock = Clock()
    made: dict[Connection, Vault] = {}

    def vault_for(connection: Connection) -> Vault:
        return made.setdefault(connection, Vault(connection, connect=connect, clock=clock))

    monkeypatch.setattr(asking, "vault_for", vault_for)
    yield clock
    for vault in made.values():
        vault.close()


class Plain(BaseSettings):
    """Settings that get the values alone."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], **sources: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return *sources.values(), VaultSettingsSource(settings_cls)


@pytest.mark.parametrize("base", [VaultSettings, Plain])
def test_nothing_changes_what_is_cached(app: DevServer, base: Any) -> None:
    """A validator may change the list that it gets, and anybody that of the settings."""
    app.put("many", {"names": ["a"], "flags": {"on": True, "of": []}})

    class Changing(base):  # type: ignore[misc]
        names: Annotated[list[str], "vault:many#names"]
        flags: Annotated[Any, "vault:many#flags"]

        @field_validator("names", mode="before")
        @classmethod
        def add(cls, value: list[str]) -> list[str]:
            value.append("b")
            return value

    for _ in range(2):
        settings = Changing()
        assert (settings.names, settings.flags) == (["a", "b"], {"on": True, "of": []})
        settings.flags["of"].append("c")
        del settings.flags["on"]


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]


def test_a_second_load_asks_nothing(app: DevServer) -> None:
    """Inside the ttl every class in the process is served from one cache."""

    class Other(VaultSettings):
        same: Annotated[str, "vault:app#token"]
        whole: Annotated[dict[str, str], "vault:app"]

    Settings()
    assert Other().whole == {"token": "first"}
    assert len(app.requests) == 1


@pytest.mark.parametrize(("age", "requests"), [(299.9, 1), (300.0, 2)])
def test_the_ttl_ends_on_time(app: DevServer, clock: Clock, age: float, requests: int) -> None:
    """At exactly the ttl a value is too old."""
    Settings()
    app.put("app", {"token": "second"})
    clock.advance(age)
    assert Settings().token == ("first" if requests == 1 else "second")
    assert len(app.requests) == requests


def test_a_value_is_as_old_as_the_question(app: DevServer, clock: Clock) -> None:
    """A slow answer is old when it arrives: what it says may have changed meanwhile."""
    app.hold()
    thread = threading.Thread(target=Settings)
    thread.start()
    app.wait_until_asked()
    clock.advance(200)
    app.release()
    thread.join(10)
    clock.advance(100)
    Settings()
    assert len(app.requests) == 2


def test_the_ttl_of_the_connection(
    app: DevServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``VAULTCONFIG_TTL`` is the time to live where a reference says nothing."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "1m")
    Settings()
    clock.advance(60)
    Settings()
    assert len(app.requests) == 2


def test_the_ttl_of_a_reference(app: DevServer, clock: Clock, asked: Asked) -> None:
    """A reference's own ttl counts for its secret, and for nothing else."""
    app.put("other", {"token": "other"})

    class Own(VaultSettings):
        token: Annotated[str, VaultRef("vault:app#token", ttl=10)]
        other: Annotated[str, "vault:other?ttl=20s#token"]

    Own()
    clock.advance(10)
    Own()
    clock.advance(10)
    Own()
    assert asked() == [("POST", ("app", "other")), ("GET", ("app",)), ("POST", ("app", "other"))]


def test_the_shortest_ttl_of_one_path_counts(app: DevServer, clock: Clock) -> None:
    """Fields of one secret come from one version of it, as fresh as the most demanding wants."""

    class Two(VaultSettings):
        one: Annotated[str, "vault:app?ttl=10s#token"]
        two: Annotated[str, "vault:app#token"]

    Two()
    app.put("app", {"token": "second"})
    clock.advance(10)
    assert Two().model_dump() == {"one": "second", "two": "second"}


def test_only_what_is_missing_is_read(app: DevServer, asked: Asked) -> None:
    """What the cache has is left out of the batch."""
    app.put("other", {"token": "other"})

    class Two(VaultSettings):
        one: Annotated[str, "vault:app#token"]
        two: Annotated[str, "vault:other#token"]

    Settings()
    Two()
    assert asked() == [("GET", ("app",)), ("GET", ("other",))]


@pytest.mark.usefixtures("few_tries")
def test_an_outage_is_bridged(
    app: DevServer,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An expired value serves while the vault is down, with a warning, up to ``max_stale``."""
    Settings()
    app.stop()
    clock.advance(86399)
    settings = Settings()
    assert settings.token == "first"
    assert provenance(settings)["token"].version == 1
    assert "serving 1 secret(s) read up to 86399 s ago" in caplog.text
    assert "first" not in caplog.text
    clock.advance(1)
    with pytest.raises(VaultUnavailableError):
        Settings()


@pytest.mark.usefixtures("few_tries")
def test_a_stale_answer_does_not_renew_its_age(
    app: DevServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is served, it ends when it ends."""
    monkeypatch.setenv("VAULTCONFIG_MAX_STALE", "1000")
    Settings()
    app.stop()
    clock.advance(600)
    Settings()
    clock.advance(400)
    with pytest.raises(VaultUnavailableError):
        Settings()


@pytest.mark.usefixtures("few_tries")
def test_max_stale_of_a_reference(
    app: DevServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference may forbid stale values, or be content with older ones."""
    monkeypatch.setenv("VAULTCONFIG_MAX_STALE", "400")

    class Never(VaultSettings):
        token: Annotated[str, "vault:app?max_stale=0#token"]

    class Longer(VaultSettings):
        token: Annotated[str, "vault:app?max_stale=1h#token"]

    Longer()
    app.stop()
    clock.advance(300)
    assert Settings().token == Longer().token == "first"
    with pytest.raises(VaultUnavailableError):
        Never()
    clock.advance(3299)
    assert Longer().token == "first"
    with pytest.raises(VaultUnavailableError):
        Settings()


@pytest.mark.parametrize("trouble", ["denied", "gone"])
@pytest.mark.usefixtures("few_tries")
def test_what_was_taken_away_does_not_come_back(app: DevServer, clock: Clock, trouble: str) -> None:
    """A denied or deleted secret is forgotten, so that no later outage serves it."""
    Settings()
    clock.advance(300)
    app.deny("app") if trouble == "denied" else app.delete("app")
    assert reasons(Settings)
    app.stop()
    with pytest.raises(VaultUnavailableError):
        Settings()


def test_a_refused_token_is_not_an_outage(app: DevServer, clock: Clock) -> None:
    """The vault's answer counts, not the cache."""
    Settings()
    clock.advance(300)
    app.revoke(app.token)
    with pytest.raises(AuthenticationError):
        Settings()


@pytest.mark.usefixtures("few_tries")
def test_an_outage_of_a_part(app: DevServer, clock: Clock) -> None:
    """What was never read can't be bridged."""

    class Two(VaultSettings):
        one: Annotated[str, "vault:app#token"]
        two: Annotated[str, "vault:other#token"]

    Settings()
    app.stop()
    clock.advance(300)
    with pytest.raises(VaultUnavailableError):
        Two()


def test_another_credential_is_another_cache(
    app: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one credential may read is not served to another."""
    Settings()
    monkeypatch.setenv("SCAIVAULT_TOKEN", app.add_token(read=("nothing/**",)))
    assert reasons(Settings) == {"token": "AccessDeniedError"}


def test_another_server_or_tenant_is_another_cache(
    app: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal paths on two servers, or of two tenants, are two secrets."""
    Settings()
    with DevServer(token=app.token) as second:
        second.put("app", {"token": "of the second"})
        second.put("app", {"token": "of the tenant"}, tenant="tenant")
        monkeypatch.setenv("SCAIVAULT_URL", second.url)
        assert Settings().token == "of the second"
        token = second.add_token(other_tenants=("tenant",))
        monkeypatch.setenv("SCAIVAULT_TOKEN", token)
        assert Settings().token == "of the second"
        monkeypatch.setenv("SCAIVAULT_TENANT_ID", "tenant")
        assert Settings().token == "of the tenant"


def together(load: Callable[[], Any], *, times: int, held: DevServer) -> list[Any]:
    """Run *load* in as many threads, all of them while the first request is being held."""
    started = threading.Barrier(times + 1)

    def run() -> Any:
        started.wait(10)
        try:
            return load()
        except Exception as error:
            return error

    held.hold()
    with ThreadPoolExecutor(times) as pool:
        runs = [pool.submit(run) for _ in range(times)]
        started.wait(10)
        held.wait_until_asked()
        with pytest.raises(TimeoutError):  # a second request would be there by now
            held.wait_until_asked(timeout=0.3)
        held.release()
        return [run.result(20) for run in runs]


def test_eight_threads_cause_one_request(app: DevServer) -> None:
    """Whoever comes while a secret is being read waits for that answer."""
    tokens = together(lambda: Settings().token, times=8, held=app)
    assert tokens == ["first"] * 8
    assert len(app.requests) == 1


def test_eight_threads_share_a_failure(app: DevServer) -> None:
    """A failure goes to all who waited, each with an error of its own, and is not kept."""
    app.fault(code="token_invalid")
    errors = together(Settings, times=8, held=app)
    assert {type(error) for error in errors} == {AuthenticationError}
    assert len({id(error) for error in errors}) == 8
    app.clear_faults()
    assert Settings().token == "first"


def test_an_interrupted_flight_does_not_strand_others(
    app: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that dies in the middle leaves an error, and the next load asks again."""

    class Interrupted(BaseException):
        pass

    def interrupt(*args: Any, **options: Any) -> None:
        raise Interrupted

    Settings(token="given")
    vault = Vault(Connection(SCAIVAULT_URL=app.url, SCAIVAULT_TOKEN=app.token), connect=connect)
    client = vault._client()
    read_many, client_class = client.read_many, type(client)
    monkeypatch.setattr(client_class, "read_many", interrupt)
    reference = VaultRef("vault:app#token")
    with pytest.raises(Interrupted):
        vault.resolve([reference], deadline=1)
    monkeypatch.setattr(client_class, "read_many", read_many.__func__)
    assert vault.resolve([reference], deadline=1)[reference].value == "first"
    vault.close()


def test_errors_are_copied_whole() -> None:
    """A copy of an error, as each waiting thread raises one, keeps message and attributes."""
    error = VaultUnavailableError("no answer", request_id="req_1")
    other = copy.copy(error)
    assert (str(other), other.request_id) == (str(error), "req_1")


def load_in_child(file: str) -> None:
    Path(file).write_text(Settings().token)


def test_a_forked_child_makes_its_own(app: DevServer, tmp_path: Path) -> None:
    """A child starts with nothing of its parent's: no cache, no lock, no connection."""
    assert Settings().token == "first"
    app.put("app", {"token": "second"})
    file = tmp_path / "told"
    (vault,) = shared._vaults.values()
    with vault.cache._tidying:  # as if another thread were just in there
        child = multiprocessing.get_context("fork").Process(target=load_in_child, args=[str(file)])
        child.start()
        child.join(20)
        child.kill()  # in case it hangs
    assert child.exitcode == 0
    assert file.read_text() == "second"
    assert len({request.connection for request in app.requests}) == 2
    assert Settings().token == "first"


def test_nothing_prints_what_the_cache_holds(app: DevServer) -> None:
    """Vault, cache and answers print no value."""
    Settings()
    (vault,) = shared._vaults.values()
    held = vault.cache.get(SecretKey("app"), max_age=300)
    resolved = vault.resolve([VaultRef("vault:app#token")], deadline=1)
    assert "first" not in f"{vault!r} {vault.cache!r} {held!r} {resolved!r}"
    assert "1 secrets" in repr(vault.cache)


HANDLERS_IN_A_WAIT = """
import signal, sys, threading
from vaultconfig.connection.connection import Connection
from vaultconfig.errors import VaultUnavailableError
from vaultconfig.references import VaultRef
from vaultconfig.vaults.vault import Vault
from vaultconfig.secret import Secret

asked, answer, nested = threading.Event(), threading.Event(), []
reference = VaultRef("vault:app#token")

class Client:
    def read_many(self, keys, *, deadline, retry=True):
        asked.set()
        answer.wait(20)
        return {key: Secret(key.path, 1, {"token": "first"}) for key in keys}

def handle(*_):
    nested.append(None)
    try:
        vault.resolve([reference], deadline=0.01)
    except VaultUnavailableError:
        pass
    nested.pop()

def interrupt(frame, event, _):
    if frame.f_code.co_filename == threading.__file__ and not nested:
        signal.raise_signal(signal.SIGUSR1)
    return interrupt

vault = Vault(Connection(), connect=lambda _: Client())
signal.signal(signal.SIGUSR1, handle)
flying = {"target": vault.resolve, "args": ([reference],), "kwargs": {"deadline": 20}}
threading.Thread(**flying, daemon=True).start()
asked.wait(10)
threading.Timer(0.2, answer.set).start()
sys.settrace(interrupt)
found = vault.resolve([reference], deadline=20)
sys.settrace(None)
print(found[reference].secret.version)
"""


def test_a_handler_at_each_step_of_a_wait_for_another_thread() -> None:
    """It waits for the same request, and for no lock that its own thread holds."""
    command = [sys.executable, "-c", HANDLERS_IN_A_WAIT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_the_vaults_load_http_for_the_first_request_only() -> None:
    """Importing the vaults of the process imports no client."""
    command = [sys.executable, "-c", "import sys, vaultconfig.vaults.shared; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith(("httpx", "vaultconfig.client"))] == []
