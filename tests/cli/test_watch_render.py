"""``vaultconfig render --watch``: a file that follows the vault."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import CANARY, Project, only_lines
from tests.cli.watching import Running, put_and_wait, running, until
from vaultconfig.devserver import DevServer

WATCH = ("render", "--watch", "app:Settings", "-e", "development", "-o", "x.env")


@pytest.fixture
def shop(project: Project, vault: DevServer) -> Project:
    """A class with a plain field that nothing sets here, and a number."""
    project.declare(
        "plain: int",
        'user: Annotated[str, "vault:db#user"]',
        'password: Annotated[SecretStr, "vault:db#password"]',
        'port: Annotated[int, "vault:net#port"]',
    )
    vault.put("db", {"user": "app", "password": f"{CANARY}-1"})
    vault.put("net", {"port": "1"})
    return project


def assert_no_value(command: Running) -> None:
    """Assert that nothing of what it printed is a value."""
    assert not [line for line in command.said if CANARY in line or "Traceback" in line]


def text_of(project: Project) -> str:
    return (project.path / "x.env").read_text()


def test_the_file_follows_the_vault(shop: Project, vault: DevServer) -> None:
    """It is written at the start, and again when a value changes, by names alone; then not."""
    with running(shop, *WATCH) as command:
        assert command.expect("variables") == "x.env: 3 variables, mode 0600"
        file = shop.path / "x.env"
        file.write_text(f"# mine\n{file.read_text()}")
        before = file.stat()
        put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}-1"})
        put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}-2"})
        command.expect("x.env: PASSWORD changed")
        assert text_of(shop) == f"# mine\nUSER=app\nPASSWORD={CANARY}-2\nPORT=1\n"
        assert file.stat().st_ino != before.st_ino
        assert file.stat().st_mode == before.st_mode
        assert command.end() == 0
    assert command.said == ["x.env: 3 variables, mode 0600", "x.env: PASSWORD changed"]
    assert not vault.subscriptions


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no file that is always full")
def test_it_goes_on_where_nothing_can_be_said(shop: Project, vault: DevServer) -> None:
    """A log on a full disk is no reason to let the file age."""
    with open("/dev/full", "wb") as full:
        command = Running(shop.start(*WATCH, stderr=full, start_new_session=True))
        try:
            until(lambda: shop.names() == ["app.py", "x.env"])
            put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}-2"})
            until(lambda: f"{CANARY}-2" in text_of(shop))
            assert command.end() == 0
        finally:
            command.process.kill()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, -signal.SIGINT)],
)
def test_a_signal_ends_it(shop: Project, vault: DevServer, number: int, code: int) -> None:
    """SIGTERM and SIGHUP are its usual end; Ctrl-C ends it as any command.."""
    with running(shop, *WATCH) as command:
        command.expect("variables")
        until(lambda: vault.subscriptions)
        assert command.end(number) == code
    assert not vault.subscriptions
    assert command.said == ["x.env: 3 variables, mode 0600"]
    assert shop.names() == ["app.py", "x.env"]


def test_a_failure_at_the_start_is_the_usual_one(shop: Project, vault: DevServer) -> None:
    """With a secret missing it ends with that error and its code, and writes nothing."""
    vault.delete("net")
    ended = shop.run(*WATCH)
    assert (ended.code, shop.names()) == (5, ["app.py"])
    assert "net" in only_lines(ended)[0]
    vault.put("net", {"port": CANARY})
    ended = shop.run(*WATCH)
    assert (ended.code, shop.names()) == (3, ["app.py"])
    only_lines(ended)


def test_a_file_that_cannot_be_written_at_the_start(shop: Project, vault: DevServer) -> None:
    """It is the usual error, too."""
    ended = shop.run(*WATCH[:-1], "nowhere/x.env")
    assert (ended.code, shop.names()) == (3, ["app.py"])
    assert "create its directory first" in only_lines(ended)[0]


def test_an_outage_is_told_once(shop: Project, vault: DevServer) -> None:
    """The file stays; one line says why, and one that it is over."""
    with running(shop, *WATCH) as command:
        command.expect("variables")
        until(lambda: vault.subscriptions)
        text = text_of(shop)
        vault.stop()
        command.expect("Warning: x.env stays as it is (stale): ")
        vault.put("db", {"user": "app", "password": f"{CANARY}-2"})
        vault.start()
        command.expect("PASSWORD changed")
        command.end()
    assert text != text_of(shop)
    assert_no_value(command)
    assert len([line for line in command.said if "(stale)" in line]) == 1
    assert len([line for line in command.said if "followed again" in line]) == 1


def test_what_does_not_fit_holds_back_itself_alone(shop: Project, vault: DevServer) -> None:
    """A value that its field rejects stays as it was, with one line; others are written."""
    with running(shop, *WATCH) as command:
        command.expect("variables")
        put_and_wait(vault, "net", {"port": CANARY})
        assert command.expect("(invalid)").startswith(
            "Warning: x.env stays as it is (invalid): port: "
        )
        put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}-2"})
        command.expect("PASSWORD changed")
        assert "PORT=1" in text_of(shop)
        put_and_wait(vault, "net", {"port": "2"})
        command.expect("followed again")
        command.expect("PORT changed")
        command.end()
    assert_no_value(command)


def test_denied_and_deleted_are_told(shop: Project, vault: DevServer) -> None:
    """What is taken away stays in the file, and the line says that it was taken away."""
    with running(shop, *WATCH, env={"VAULTCONFIG_TTL": "1"}) as command:
        command.expect("variables")
        vault.delete("db")
        told = command.expect("(denied)")
        assert "db" in told
        assert f"{CANARY}-1" in text_of(shop)
        command.end()


def test_an_expired_value_is_told(shop: Project, vault: DevServer) -> None:
    """Past max_stale a line says so, and it goes on trying."""
    env = {"VAULTCONFIG_TTL": "0.5", "VAULTCONFIG_MAX_STALE": "2"}
    with running(shop, *WATCH, env=env) as command:
        command.expect("variables")
        vault.stop()
        command.expect("(expired)")
        assert f"{CANARY}-1" in text_of(shop)
        vault.start()
        command.expect("followed again")
        command.end()


def spoilt_by_a_reference(file: Path) -> None:
    file.write_text("USER='vault:other#user'\n")


def spoilt_by_a_link(file: Path) -> None:
    file.rename(file.with_name("real"))
    file.symlink_to("real")


def spoilt_by_a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def without_its_directory(file: Path) -> None:
    file.parent.rename(file.parent.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoilt_by_a_reference, "USER"),
        (spoilt_by_a_link, "symbolic link"),
        (spoilt_by_a_directory, "directory"),
        (without_its_directory, "create its directory first"),
    ],
)
def test_a_file_that_cannot_be_written(
    shop: Project, vault: DevServer, spoil: object, said: str
) -> None:
    """It is told once, tried again, and written once it can be."""
    (shop.path / "out").mkdir()
    file = shop.path / "out" / "x.env"
    with running(shop, *WATCH[:-1], "out/x.env") as command:
        command.expect("variables")
        assert callable(spoil)
        spoil(file)
        put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}-2"})
        assert said in command.expect("Warning: out/x.env stays as it is: ")
        # A second change that fails for the same reason is not told again.
        put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}-3"})
        if (shop.path / "elsewhere").exists():
            (shop.path / "elsewhere").rename(file.parent)
        elif file.is_dir() and not file.is_symlink():
            file.rmdir()
        else:
            file.unlink()
        command.expect("PASSWORD changed")
        assert f"{CANARY}-3" in file.read_text()
        command.end()
    assert_no_value(command)
    assert len([line for line in command.said if "stays as it is" in line]) == 1


def test_what_the_format_cannot_hold(shop: Project, vault: DevServer) -> None:
    """A value that the dialect has no text for leaves the file, is named, and may be corrected."""
    with running(shop, *WATCH, "-f", "docker") as command:
        command.expect("variables")
        put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}\n2"})
        assert "PASSWORD: the format docker cannot hold" in command.expect("stays as it is")
        put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}-3"})
        command.expect("PASSWORD changed")
        command.end()
    assert_no_value(command)


def test_an_optional_secret_comes_and_goes(project: Project, vault: DevServer) -> None:
    """A new variable is written; one that is gone leaves a file that holds nothing else."""
    project.declare(
        'user: Annotated[str, "vault:db#user"]',
        'extra: Annotated[str | None, "vault:more?optional#x"] = None',
    )
    vault.put("db", {"user": "app"})
    args = (*WATCH[:-1], "x.json", "-f", "json")
    with running(project, *args, env={"VAULTCONFIG_TTL": "1"}) as command:
        command.expect("1 variable")
        put_and_wait(vault, "more", {"x": CANARY})
        command.expect("x.json: EXTRA changed")
        assert json.loads((project.path / "x.json").read_text()) == {"USER": "app", "EXTRA": CANARY}
        vault.delete("more")
        command.expect("x.json: EXTRA changed")
        assert json.loads((project.path / "x.json").read_text()) == {"USER": "app"}
        command.end()


def test_without_subscriptions_the_ttl_is_enough(shop: Project, vault: DevServer) -> None:
    """Where the vault announces nothing, one line says so, and changes show after the ttl."""
    vault.fault(path="/v1/subscriptions", status=404)
    with running(shop, *WATCH, env={"VAULTCONFIG_TTL": "1"}) as command:
        command.expect("changes show after the ttl")
        vault.put("db", {"user": "app", "password": f"{CANARY}-2"})
        command.expect("PASSWORD changed")
        command.end()
    assert_no_value(command)


def test_the_sources_are_those_of_the_start(shop: Project, vault: DevServer) -> None:
    """It follows the vault alone: what others write into a .env meanwhile changes nothing."""
    args = ("render", "--watch", "--all", "app:Settings", "-e", "development", "-o", "x.env")
    shop.write(".env", "PLAIN=1\n")
    with running(shop, *args) as command:
        command.expect("4 variables")
        shop.write(".env", "PLAIN=2\n")
        put_and_wait(vault, "db", {"user": "app", "password": f"{CANARY}-2"})
        command.expect("x.env: PASSWORD changed")
        assert "PLAIN=1" in text_of(shop)
        command.end()


def test_a_plain_settings_class(project: Project, vault: DevServer) -> None:
    """A class of BaseSettings with our source is followed, too."""
    project.write(
        "app.py",
        "from typing import Annotated\n"
        "from pydantic_settings import BaseSettings\n"
        "from vaultconfig import VaultSettingsSource\n"
        "class Settings(BaseSettings):\n"
        '    password: Annotated[str, "vault:db#password"]\n'
        "    @classmethod\n"
        "    def settings_customise_sources(cls, settings_cls, **sources):\n"
        "        return (*sources.values(), VaultSettingsSource(settings_cls))\n",
    )
    vault.put("db", {"password": f"{CANARY}-1"})
    with running(project, *WATCH) as command:
        command.expect("1 variable")
        put_and_wait(vault, "db", {"password": f"{CANARY}-2"})
        command.expect("PASSWORD changed")
        assert text_of(project) == f"PASSWORD={CANARY}-2\n"
        command.end()


def test_nothing_to_follow_is_told(shop: Project, vault: DevServer) -> None:
    """Where no variable comes from the vault, a line says that there will be no change."""
    shop.declare("plain: int = 1")
    with running(shop, *WATCH) as command:
        command.expect("no variable comes from the vault")
        command.expect("0 variables")
        assert command.end() == 0


@pytest.mark.parametrize("more", [["--check"], ["--diff"], ["-o", "-"]])
def test_what_does_not_go_together(shop: Project, more: list[str]) -> None:
    """There has to be a file, and it has to be written."""
    ended = shop.run(*WATCH, *more)
    assert ended.code == 2
    assert "--watch keeps a file current" in only_lines(ended)[-1]
    assert not os.path.exists(shop.path / "x.env")
