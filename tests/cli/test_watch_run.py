"""``vaultconfig run --watch``: a program that is started again when the vault changes."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tests.cli.conftest import CANARY, COMMAND, KEY, Project, only_lines
from tests.cli.watching import Running, alive, put_and_wait, running, until
from vaultconfig.devserver import DevServer

WATCH = ("run", "--watch", "app:Settings")
# A shell that gets SIGINT before it starts a program waits for that one all the same.
STUBBORN = 'trap "" TERM; echo up $PASSWORD; while :; do sleep 0.01; done'


@pytest.fixture
def shop(project: Project, vault: DevServer) -> Project:
    """A class with two fields of the vault, and a plain one that nothing sets here."""
    project.declare(
        "plain: int",
        'user: Annotated[str, "vault:db#user"]',
        'password: Annotated[SecretStr, "vault:db#password"]',
    )
    rotate(vault, "1")
    return project


def rotate(vault: DevServer, password: str) -> None:
    vault.put("db", {"user": "app", "password": password})


def rotate_and_wait(vault: DevServer, password: str) -> None:
    put_and_wait(vault, "db", {"user": "app", "password": password})


@contextmanager
def watched(project: Project, *command: str, options: Sequence[str] = ()) -> Iterator[Running]:
    with running(project, *WATCH, *options, "--", *command) as started:
        yield started


def pid_in(line: str) -> int:
    return int(line.rpartition(" ")[2])


def test_the_whole_story(shop: Project, vault: DevServer) -> None:
    """An equal version changes nothing, a rotation starts it again, an outage does not; Ctrl-C."""
    with watched(shop, "sh", "-c", f"echo pid $$; {STUBBORN}", options=["--grace", "1"]) as command:
        first = pid_in(command.expect("pid"))
        command.expect("up 1")
        rotate_and_wait(vault, "1")
        rotate_and_wait(vault, "2")
        command.expect("PASSWORD changed: sh is started again")
        command.expect("sh has not ended within 1 s of SIGTERM: it gets SIGKILL")
        second = pid_in(command.expect("pid"))
        command.expect("up 2")
        assert (alive(first), children_of(command)) == (False, [second])
        vault.stop()
        command.expect("Warning: sh keeps its variables (stale): ")
        vault.start()
        command.expect("followed again")
        assert command.end(signal.SIGINT) == -signal.SIGINT
    assert not alive(second)
    assert len([line for line in command.said if line.startswith("up")]) == 2
    assert not vault.subscriptions


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("kill -TERM $$", -signal.SIGTERM),
        ("kill -KILL $$", -signal.SIGKILL),
        ("kill -SEGV $$", -signal.SIGSEGV),
    ],
)
def test_it_ends_as_the_program_ends(
    shop: Project, vault: DevServer, script: str, status: int
) -> None:
    """The exit code is the program's own, and so is the signal; nothing is left in the vault."""
    with watched(shop, "sh", "-c", script) as command:
        assert command.wait() == status
    assert command.said == []
    assert not vault.subscriptions


def test_no_core_of_ours(shop: Project) -> None:
    """Where the program dumps its core, ours, which would hold the values, is not written."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    lift = lambda: resource.setrlimit(resource.RLIMIT_CORE, unlimited)  # noqa: E731 - for one process
    process = shop.start(*WATCH, "--", "sh", "-c", "kill -SEGV $$", preexec_fn=lift)
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_code == os.CLD_KILLED
    assert Running(process).wait() == -signal.SIGSEGV


ANSWERS = """
import signal, sys
def answer(number, frame):
    print(signal.Signals(number).name, flush=True)
for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH"):
    signal.signal(getattr(signal, "SIG" + name), answer)
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_signals_are_passed_on(shop: Project) -> None:
    """The program decides what a signal does, each time that it comes."""
    with watched(shop, sys.executable, "-c", ANSWERS) as command:
        command.expect("ready")
        for name in ("HUP", "USR1", "USR2", "QUIT", "WINCH", "INT", "INT", "TERM"):
            command.process.send_signal(getattr(signal, f"SIG{name}"))
            command.expect(f"SIG{name}")
        assert command.process.poll() is None
        os.killpg(children_of(command)[0], signal.SIGKILL)
        assert command.wait() == -signal.SIGKILL


def children_of(command: Running) -> list[int]:
    pid = command.process.pid
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_program_that_was_asked_to_end_is_not_started_again(
    shop: Project, vault: DevServer
) -> None:
    """After SIGTERM it has all the time that it takes, whatever changes meanwhile; that is told."""
    script = (
        "trap 'echo ending; read line < go; exit 7' TERM; echo up; while :; do sleep 0.01; done"
    )
    os.mkfifo(shop.path / "go")
    with watched(shop, "sh", "-c", script, options=["--grace", "0"]) as command:
        command.expect("up")
        command.process.send_signal(signal.SIGTERM)
        command.expect("ending")
        rotate_and_wait(vault, "2")
        command.expect("PASSWORD changed, but sh is not started again, because it was asked to end")
        (shop.path / "go").write_text("\n")
        assert command.wait() == 7


def test_a_program_that_has_stopped_can_be_ended(shop: Project) -> None:
    """A signal that is to end it also continues it: it would wait in vain."""
    script = "trap 'exit 7' TERM; echo up $$; kill -STOP $$; exit 1"
    with watched(shop, "sh", "-c", script) as command:
        pid = pid_in(command.expect("up"))
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        command.process.send_signal(signal.SIGTERM)
        assert command.wait() == 7


TWICE = """
trap 'test "$n" && exit 7; n=1; echo asked' TERM INT
echo up
while :; do sleep 0.01; done
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_grace(shop: Project, vault: DevServer, number: int) -> None:
    """It ends both: the program is not started again."""
    with watched(shop, "sh", "-c", TWICE, options=["--grace", "1m"]) as command:
        command.expect("up")
        rotate_and_wait(vault, "2")
        command.expect("asked")
        command.process.send_signal(number)
        assert command.wait() == 7
    assert command.said.count("up") == 1


def test_changes_during_the_grace_are_one(shop: Project, vault: DevServer) -> None:
    """What changes while the old program ends is one start, with the newest values."""
    script = "trap 'read line < go; exit 0' TERM; echo up $PASSWORD; while :; do sleep 0.01; done"
    os.mkfifo(shop.path / "go")
    with watched(shop, "sh", "-c", script, options=["--grace", "1m"]) as command:
        command.expect("up 1")
        rotate_and_wait(vault, "2")
        command.expect("is started again")
        # Of two that are read one after the other the first is known when the second is asked for.
        for password in ("3", "4", "4"):
            rotate_and_wait(vault, password)
        (shop.path / "go").write_text("\n")
        command.expect("up 4")
        command.process.send_signal(signal.SIGTERM)
        (shop.path / "go").write_text("\n")
        assert command.wait() == 0
    assert [line for line in command.said if line.startswith("up")] == ["up 1", "up 4"]


def test_no_grace(shop: Project, vault: DevServer) -> None:
    """With 0 the program is killed at once."""
    with watched(shop, "sh", "-c", STUBBORN, options=["--grace", "0"]) as command:
        command.expect("up 1")
        rotate_and_wait(vault, "2")
        command.expect("up 2")
        assert command.end(signal.SIGINT) == -signal.SIGINT


def test_a_program_that_ends_in_time_is_not_killed(shop: Project, vault: DevServer) -> None:
    """It has the grace to clean up."""
    script = "trap 'echo bye; exit 0' TERM; echo up $PASSWORD; while :; do sleep 0.01; done"
    with watched(shop, "sh", "-c", script) as command:
        command.expect("up 1")
        rotate_and_wait(vault, "2")
        command.expect("bye")
        command.expect("up 2")
        assert command.end(signal.SIGTERM) == 0
    assert command.said.count("bye") == 2
    assert not [line for line in command.said if "SIGKILL" in line]


def test_what_the_program_starts_ends_with_it(shop: Project, vault: DevServer) -> None:
    """Its children are in its group: they end before it starts again, and when it ends."""
    script = "sh -c 'trap \"\" TERM INT; sleep 1000' & echo pid $!; wait"
    with watched(shop, "sh", "-c", script, options=["--grace", "0.2"]) as command:
        first = pid_in(command.expect("pid"))
        rotate_and_wait(vault, "2")
        second = pid_in(command.expect("pid"))
        assert not alive(first)
        assert command.end(signal.SIGINT) == -signal.SIGINT
    until(lambda: not alive(second))


def test_a_program_that_cannot_be_started_again(shop: Project, vault: DevServer) -> None:
    """It ends with the code and the reason, as it would have at the start."""
    program = shop.write("program", "#!/bin/sh\necho up\nexec sleep 60\n")
    program.chmod(0o755)
    with watched(shop, "./program") as command:
        command.expect("up")
        program.unlink()
        rotate_and_wait(vault, "2")
        command.expect("Error: ./program: there is no such file")
        assert command.wait() == 127
    assert not vault.subscriptions


def test_a_program_that_ends_at_once_after_a_rotation(shop: Project, vault: DevServer) -> None:
    """Its exit code ends both: nothing is tried again and again."""
    script = "echo up; test $PASSWORD = 1 || exit 9; exec sleep 60"
    with watched(shop, "sh", "-c", script) as command:
        command.expect("up")
        rotate_and_wait(vault, "2")
        assert command.wait() == 9
    assert command.said.count("up") == 2


def test_what_an_environment_cannot_hold(shop: Project, vault: DevServer) -> None:
    """A value that does not fit changes nothing, and is told by name."""
    with watched(shop, "sh", "-c", "echo up $PASSWORD; exec sleep 60") as command:
        command.expect("up 1")
        for unfit, problem, fit in (
            (f"{CANARY}\0", "PASSWORD: an environment cannot hold the value", "2"),
            (CANARY * 20_000, "PASSWORD: too long for an environment", "3"),
        ):
            rotate_and_wait(vault, unfit)
            assert problem in command.expect("sh keeps its variables (invalid)")
            rotate_and_wait(vault, fit)
            command.expect(f"up {fit}")
        command.end()
    assert not [line for line in command.said if CANARY in line]


def test_a_log_that_is_not_read(shop: Project, vault: DevServer) -> None:
    """Where standard error was closed the program goes on, and ends with us all the same."""
    script = "echo up $PASSWORD $$ >> log; exec sleep 60"
    log = shop.path / "log"
    process = shop.start(*WATCH, "--", "sh", "-c", script)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    until(log.exists)
    rotate_and_wait(vault, "2")
    until(lambda: "up 2" in log.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == -signal.SIGTERM
    assert not alive(pid_in(log.read_text()))


def test_only_what_is_set_counts(shop: Project, vault: DevServer) -> None:
    """A change of a variable that the program does not get is none of its business."""
    options = ("--only", "USER", "--prefix", "APP_")
    with watched(shop, "sh", "-c", "echo up $APP_USER; exec sleep 60", options=options) as command:
        command.expect("up app")
        rotate_and_wait(vault, "2")
        put_and_wait(vault, "db", {"user": "other", "password": "2"})
        command.expect("APP_USER changed")
        command.expect("up other")
        command.end()
    assert len([line for line in command.said if line.startswith("up")]) == 2


def test_what_is_ignored_stays_ignored(shop: Project) -> None:
    """Under nohup a hang-up reaches neither the command nor the program."""
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731 - for one process
    script = "echo up; while read line; do echo $line; done < go"
    os.mkfifo(shop.path / "go")
    started = shop.start(*WATCH, "--", "sh", "-c", script, preexec_fn=ignore)
    command = Running(started)
    command.expect("up")
    started.send_signal(signal.SIGHUP)
    with (shop.path / "go").open("w") as file:
        file.write("still here\n")
    command.expect("still here")
    assert command.wait() == 0


def test_files_that_are_open_are_handed_on(shop: Project, tmp_path: Path) -> None:
    """As without --watch the program inherits them, such as a socket to listen on."""
    with (tmp_path / "open").open("w+") as file:
        code = f"import os; os.write({file.fileno()}, b'kept\\n')"
        process = shop.start(*WATCH, "--", sys.executable, "-c", code, pass_fds=[file.fileno()])
        assert Running(process).wait() == 0
        file.seek(0)
        assert file.read() == "kept\n"


@pytest.mark.parametrize("variable", ["VAULTCONFIG_STORE_KEY", "VAULTCONFIG_STORE_KEY_FILE"])
def test_credentials_and_store_stay_here(shop: Project, tmp_path: Path, variable: str) -> None:
    """The program gets no credential of ours, no store, and no key."""
    key, file = KEY, tmp_path / "key"
    file.write_text(key)
    ours = {
        "VAULTCONFIG_STORE": f"file:{tmp_path / 'store'}",
        variable: key if variable == "VAULTCONFIG_STORE_KEY" else str(file),
        "VAULTCONFIG_DEV_TOKEN": CANARY,
        "vaultconfig_store_key": CANARY,
    }
    given = ours | {"VAULTCONFIG_APPLICATION": "shop"}
    for options in ([], ["--watch"]):
        ended = shop.run_apart("run", "app:Settings", *options, "--", "env", env=given)
        names = {line.partition("=")[0] for line in ended.out.splitlines()}
        assert ended.code == 0
        assert not names & {*ours, "SCAIVAULT_TOKEN"}
        assert CANARY not in ended.out
        assert key not in ended.out
        assert {"SCAIVAULT_URL", "PASSWORD"} <= names
        ended = shop.run_apart(
            "run", "app:Settings", *options, "--keep-credentials", "--", "env", env=given
        )
        assert f"{variable}={ours[variable]}" in ended.out.splitlines()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--grace", "1"], "--grace is for --watch"),
        (["--watch", "--grace", "soon"], "'soon' is not a duration such as 10, 1.5s or 2m"),
        (["--watch", "--grace=-1"], "'-1' is not a duration"),
        (["--watch", "--only", "PASWORD"], "did you mean PASSWORD?"),
    ],
)
def test_what_is_wrong_at_the_start(shop: Project, options: list[str], said: str) -> None:
    """It is a usage error, and nothing runs."""
    ended = shop.run("run", *options, "app:Settings", "--", "touch", "started")
    assert (ended.code, shop.names()) == (2, ["app.py"])
    assert said in only_lines(ended)[-1]


def test_without_process_groups(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows it says what is missing, and what works there."""
    monkeypatch.delattr(os, "killpg")
    ended = shop.run("run", "--watch", "app:Settings", "--", "touch", "started")
    assert (ended.code, shop.names()) == (3, ["app.py"])
    assert "which Windows does not have" in only_lines(ended)[0]


@pytest.fixture
def terminal(shop: Project) -> Iterator[pexpect.spawn]:
    """An interactive shell, with job control, in which ``watch PROGRAM`` is the command."""
    environ = {**shop.environ, "PS1": "prompt> ", "TERM": "dumb"}
    child = pexpect.spawn(
        "/bin/bash",
        ["--norc", "--noprofile"],
        cwd=str(shop.path),
        env=environ,
        timeout=30,
        dimensions=(50, 200),
    )
    child.expect_exact("prompt> ")
    command = " ".join([*COMMAND, *WATCH, "--grace", "1m", "--"])
    child.sendline(f'watch() {{ {command} "$@"; }}')
    child.expect_exact("prompt> ")
    yield child
    child.close(force=True)


ASKS = """python -c 'while True: print("got", input("? "))'"""


def test_a_program_that_reads_the_terminal(terminal: pexpect.spawn, vault: DevServer) -> None:
    """It can, also when it has been started again, and Ctrl-C reaches it; then the shell reads."""
    terminal.sendline(f"watch {ASKS}".replace("python", sys.executable))
    terminal.expect_exact("? ")
    terminal.sendline("one")
    terminal.expect_exact("got one")
    rotate_and_wait(vault, "2")
    terminal.expect("is started again")
    terminal.expect_exact("? ")
    terminal.sendline("two")
    terminal.expect_exact("got two")
    terminal.sendintr()
    terminal.expect_exact("prompt> ")
    terminal.sendline("echo code $?")
    terminal.expect_exact("code 130")


def test_an_interactive_shell(terminal: pexpect.spawn) -> None:
    """A program with job control of its own has the terminal, too."""
    terminal.sendline("watch env PS1=in''ner bash --norc --noprofile -i")
    terminal.expect_exact("inner")
    terminal.sendline("sh -c 'echo r''eady; exec sleep 100'")
    terminal.expect_exact("ready")
    terminal.sendintr()
    terminal.expect_exact("inner")
    terminal.sendline("exit 5")
    terminal.expect_exact("prompt> ")
    terminal.sendline("echo code $?")
    terminal.expect_exact("code 5")


def test_ctrl_c_during_the_grace(terminal: pexpect.spawn, shop: Project, vault: DevServer) -> None:
    """In a terminal, too, it ends both."""
    shop.write("twice", TWICE)
    terminal.sendline("watch sh twice")
    terminal.expect_exact("up\r\n")
    rotate_and_wait(vault, "2")
    terminal.expect_exact("asked\r\n")
    terminal.sendintr()
    terminal.expect_exact("prompt> ")
    terminal.sendline("echo code $?")
    terminal.expect_exact("code 7")


@pytest.mark.parametrize("program", ["sh -c 'echo up; read line; echo got $line'"])
def test_ctrl_z_and_fg(terminal: pexpect.spawn, program: str) -> None:
    """Both stop as one job, and go on as one."""
    terminal.sendline(f"watch {program}")
    terminal.expect_exact("up\r\n")
    terminal.sendcontrol("z")
    terminal.expect("Stopped")
    terminal.expect_exact("prompt> ")
    terminal.sendline("fg")
    terminal.expect("watch")
    terminal.sendline("typed")
    terminal.expect_exact("got typed")
    terminal.expect_exact("prompt> ")


def test_ctrl_z_of_a_server(terminal: pexpect.spawn, vault: DevServer) -> None:
    """One that reads nothing stops as well, and is started again after it."""
    terminal.sendline("watch sh -c 'echo up $PASSWORD; exec sleep 60'")
    terminal.expect_exact("up 1\r\n")
    terminal.sendcontrol("z")
    terminal.expect("Stopped")
    terminal.expect_exact("prompt> ")
    terminal.sendline("bg")
    terminal.expect_exact("prompt> ")
    rotate_and_wait(vault, "2")
    terminal.expect_exact("up 2\r\n")
    terminal.sendline("fg")
    terminal.expect("watch")
    terminal.sendintr()
    terminal.expect_exact("prompt> ")


def test_a_reader_in_the_background(terminal: pexpect.spawn) -> None:
    """It stops until it is in the foreground, as any job."""
    terminal.sendline("watch sh -c 'read line; echo got $line' &")
    terminal.expect_exact("prompt> ")
    terminal.sendline("until jobs | grep Stopped; do sleep 0.1; done")
    terminal.expect("Stopped")
    terminal.expect_exact("prompt> ")
    terminal.sendline("fg")
    terminal.expect("watch")
    terminal.sendline("typed")
    terminal.expect_exact("got typed")
    terminal.expect_exact("prompt> ")


def test_a_pipeline(terminal: pexpect.spawn) -> None:
    """What stands beside it keeps the terminal, since the program does not ask for it."""
    terminal.sendline("watch sh -c 'echo up; exec sleep 60' | cat")
    terminal.expect_exact("up\r\n")
    terminal.sendintr()
    terminal.expect_exact("prompt> ")


def test_the_terminal_is_as_before(terminal: pexpect.spawn, vault: DevServer) -> None:
    """A program that ends with the echo turned off leaves it on."""
    script = "stty -echo; echo up $PASSWORD; test $PASSWORD != 1 || sleep 60"
    terminal.sendline(f"watch sh -c '{script}'; stty -a | grep -o -e '-*echo '")
    terminal.expect_exact("up 1\r\n")
    rotate_and_wait(vault, "2")
    terminal.expect_exact("up 2\r\n")
    terminal.expect("(-?)echo ")
    assert terminal.match.group(1) == b""
    terminal.expect_exact("prompt> ")
