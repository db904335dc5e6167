"""What is peculiar to a shelf in a directory: files, their owners, locks, clocks."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.rig import LONG
from tests.postgres import NOBODY
from tests.store.rig import children, failure, put
from tests.test_windows import run
from vaultconfig.errors import ConfigurationError
from vaultconfig.store import directory
from vaultconfig.store.directory import Directory
from vaultconfig.store.shelf import Swap

NAME = "ab/1"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "srv" / "store"


@pytest.fixture
def room(base: Path) -> Path:
    """Where the entries of the scope are."""
    return base / "vaultconfig-ab"


@pytest.fixture
def shelf(base: Path) -> Directory:
    return Directory(str(base), patience=LONG)


def write(name: str = NAME) -> dict[str, Swap]:
    return {name: Swap(None, b"new")}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_only_its_user_may_enter(shelf: Directory, base: Path, room: Path) -> None:
    """Directories that it makes are closed to others, and so is each file."""
    put(shelf, NAME, b"a")
    assert (mode(base), mode(room)) == (0o700, 0o700)
    assert {(file.name, mode(file)) for file in room.iterdir()} == {("1", 0o600), ("lock", 0o600)}


def test_a_read_makes_nothing(shelf: Directory, base: Path) -> None:
    """Neither does it to clear what is not there."""
    assert shelf.read([NAME]) == [None]
    assert shelf.clear("ab") == 0
    assert not base.exists()


def test_others_may_share_the_directory(shelf: Directory, base: Path) -> None:
    """An emptyDir of Kubernetes is open to all: what is ours in it is not."""
    base.mkdir(parents=True)
    base.chmod(0o777)
    put(shelf, NAME, b"a")
    assert shelf.read([NAME]) == [b"a"]


def test_a_relative_directory_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that goes elsewhere later has the same store."""
    monkeypatch.chdir(tmp_path)
    shelf = Directory("store")
    put(shelf, NAME, b"a")
    monkeypatch.chdir("/")
    assert shelf.read([NAME]) == [b"a"]


@pytest.mark.parametrize(
    "name",
    ["../ab/1", "ab/../1", "ab/..", "/1", "ab/", "ab", "ab/1/2", "ab/1\n", "AB/1", "", "ab/é"],
)
def test_a_name_never_leaves_the_directory(shelf: Directory, base: Path, name: str) -> None:
    """Whatever is not two hexadecimal words is a mistake of the caller."""
    for call in (
        lambda: shelf.read([name]),
        lambda: shelf.swap(write(name), keep=1),
        lambda: shelf.clear(f"{name}/."),
    ):
        with pytest.raises(ValueError, match="hexadecimal"):
            call()
    for other in (name, "cd/1"):
        with pytest.raises(ValueError, match="one scope"):
            shelf.read([NAME, other])
    assert not base.exists()


def by_others(room: Path) -> None:
    room.chmod(0o770)


def of_others(room: Path) -> None:
    os.chown(room, NOBODY, NOBODY)


def a_link(room: Path) -> None:
    room.rename(room.with_name("other"))
    room.symlink_to("other")


def a_file(room: Path) -> None:
    room.rename(room.with_name("other"))
    room.touch()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (by_others, "others can write to vaultconfig-ab"),
        pytest.param(of_others, "belongs to another user", marks=needs_root),
        (a_link, "Not a directory"),
        (a_file, "Not a directory"),
    ],
)
def test_what_others_can_write_to_is_not_used(
    shelf: Directory, base: Path, room: Path, spoil: Callable[[Path], None], said: str
) -> None:
    """Neither read nor written; the message says what is wrong, where, and what to do."""
    put(shelf, NAME, b"a")
    spoil(room)
    for call in (
        lambda: shelf.read([NAME]),
        lambda: shelf.swap(write(), keep=1),
        lambda: shelf.clear("ab"),
    ):
        message = failure(call)
        assert str(base) in message
        assert said in message
        assert "choose another directory" in message


def link_outside(entry: Path) -> None:
    outside = entry.parents[1] / "outside"
    outside.write_bytes(entry.read_bytes())
    entry.unlink()
    entry.symlink_to(outside)


def fifo(entry: Path) -> None:
    entry.unlink()
    os.mkfifo(entry)


def a_socket(entry: Path) -> None:
    entry.unlink()
    os.mknod(entry, stat.S_IFSOCK | 0o600)


def garbage(entry: Path) -> None:
    entry.write_bytes(b"\xff" * 40)


def cut(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:15])


def header_alone(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:16])


def empty(entry: Path) -> None:
    entry.write_bytes(b"")


@pytest.mark.parametrize("spoil", [link_outside, fifo, a_socket, garbage, cut, header_alone, empty])
def test_what_is_no_entry_is_not_there(
    shelf: Directory, base: Path, room: Path, spoil: Callable[[Path], None]
) -> None:
    """Torn and foreign files count as absent, hold nothing up, and the next swap replaces them."""
    put(shelf, NAME, b"a")
    put(shelf, "ab/2", b"b")
    spoil(room / "1")
    assert shelf.read([NAME, "ab/2"]) == [None, b"b"]
    assert shelf.swap(write(), keep=LONG)
    assert shelf.read([NAME]) == [b"new"]
    if (base / "outside").exists():
        assert (base / "outside").read_bytes().endswith(b"a")


@pytest.mark.parametrize("nothing", [None, b""])
def test_what_is_removed_leaves_no_file(
    shelf: Directory, room: Path, nothing: bytes | None
) -> None:
    """Nor does nothing that is put in the place of nothing."""
    put(shelf, NAME, b"a")
    assert shelf.swap({NAME: Swap(b"a", nothing), "ab/2": Swap(None, nothing)}, keep=LONG)
    assert [file.name for file in room.iterdir()] == ["lock"]


def test_a_directory_is_no_entry(shelf: Directory, room: Path) -> None:
    """It is not there for a read; nothing can be written there, and the message says why."""
    put(shelf, "ab/2", b"b")
    (room / "1").mkdir()
    assert shelf.read([NAME, "ab/2"]) == [None, b"b"]
    assert "Is a directory" in failure(lambda: shelf.swap(write(), keep=LONG))


def test_what_the_system_rejects_is_a_failure(shelf: Directory, base: Path) -> None:
    """Of one entry, too: only what is not there is nothing."""
    put(shelf, NAME, b"a")
    message = failure(lambda: shelf.read([NAME, f"ab/{'1' * 300}"]))
    assert message.startswith(f"cannot read {base}: File name too long: ")


def test_a_clock_that_jumps_makes_no_lease_last(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What has ended, or is from the future, is not there; of the latter there is one warning."""
    now = [1e9]
    shelf = Directory(str(base), clock=lambda: now[0])
    put(shelf, NAME, b"a", keep=3)
    for passed, found in (
        (0, b"a"),
        (2.9, b"a"),
        (3, None),
        (-5, b"a"),
        (-5.1, None),
        (-3600, None),
    ):
        now[0] = 1e9 + passed
        assert shelf.read([NAME]) == [found]
        told = ["files of the store are from the future, and ignored: check the clock"]
        assert caplog.messages == (told if passed < -5 else [])
    assert shelf.swap(write(), keep=3)
    now[0] = math.inf
    assert shelf.read([NAME]) == [None]


def test_what_has_ended_is_removed_in_time(base: Path, room: Path) -> None:
    """Files of names that nobody uses any more do not pile up: once an hour a swap removes them."""
    now = [4e9]  # so long after the lock was made that the first swap removes, too
    shelf = Directory(str(base), clock=lambda: now[0])
    put(shelf, "ab/a", b"a", keep=60)
    put(shelf, "ab/b", b"b", keep=7200)
    for passed, left in (
        (3599.5, {"a", "b", "1"}),
        (3600.0, {"b", "1"}),
        (7200.0, {"1"}),
    ):
        now[0] = 4e9 + passed
        put(shelf, NAME, b"c", keep=60)
        assert {file.name for file in room.iterdir()} == left | {"lock"}
    assert shelf.read(["ab/b", NAME]) == [None, b"c"]


KILLED = """
def end_or_stop(*arguments, replace=os.replace, **options):
    os.replace = replace
    os.kill(os.getpid(), int(rest[0]))
    replace(*arguments, **options)
os.replace = end_or_stop
shelf.swap({f"{scope}/1": Swap(b"a", b"of the dead"), f"{scope}/2": Swap(None, b"x")}, keep=60)
print("went on", flush=True)
"""


def test_a_process_killed_before_the_rename_leaves_all_as_it_was(
    shelf: Directory, base: Path, room: Path
) -> None:
    """Its lock is gone with it; what it has left is used again, and never grows in number."""
    put(shelf, NAME, b"a")
    for _ in range(3):
        with children(KILLED, str(base), "ab", str(int(signal.SIGKILL))) as (child,):
            child.say("go")
            assert child.process.wait(LONG) == -signal.SIGKILL
        left = {file.name for file in room.iterdir()}
        assert left == {"1", "lock", "new-0", "new-1"}
    assert shelf.read([NAME, "ab/2"]) == [b"a", None]
    assert shelf.swap({NAME: Swap(b"a", b"b"), "ab/2": Swap(None, b"c")}, keep=LONG)
    assert shelf.read([NAME, "ab/2"]) == [b"b", b"c"]
    assert {file.name for file in room.iterdir()} == {"1", "2", "lock"}


def test_what_a_killed_process_left_is_cleared_and_not_counted(
    shelf: Directory, base: Path, room: Path
) -> None:
    """To clear a scope leaves nothing of it but the lock."""
    put(shelf, NAME, b"a")
    with children(KILLED, str(base), "ab", str(int(signal.SIGKILL))) as (child,):
        child.say("go")
        child.process.wait(LONG)
    assert shelf.clear("ab") == 1
    assert [file.name for file in room.iterdir()] == ["lock"]


def test_a_stopped_process_holds_up_writers_only(shelf: Directory, base: Path) -> None:
    """Reads go on, a swap gives up and says why; once it goes on, so do the others."""
    put(shelf, NAME, b"a")
    with children(KILLED, str(base), "ab", str(int(signal.SIGSTOP))) as (child,):
        child.say("go")
        _, status = os.waitpid(child.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert shelf.read([NAME]) == [b"a"]
        hurried = Directory(str(base), patience=0.05)
        message = failure(lambda: hurried.swap({NAME: Swap(b"a", b"b")}, keep=LONG))
        assert message == (
            f"cannot write to {base}: another process is writing there: end it if it is stopped"
        )
        assert "another process" in failure(lambda: hurried.clear("ab"))
        child.process.send_signal(signal.SIGCONT)
        assert child.hear() == "went on"
        assert shelf.swap({NAME: Swap(b"of the dead", b"b")}, keep=LONG)


class Waiting:
    """The clock of a swap that waits for the lock, which each of its looks puts forward."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []
        self.release: Callable[[], object] | None = None  # what the third look finds done

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 0.125
        self.sleeps.append(seconds)
        if self.release and len(self.sleeps) == 2:
            self.release()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    waiting = Waiting()
    monkeypatch.setattr(directory, "time", waiting)
    return waiting


@pytest.mark.parametrize(("how", "looks"), [({}, 4), ({"patience": 0.25}, 3)])
def test_another_writer_is_waited_for(
    base: Path, room: Path, waiting: Waiting, how: dict[str, float], looks: int
) -> None:
    """With a look every 5 ms, for 0.4 s if nothing else is said; reads wait for nobody."""
    shelf = Directory(str(base), **how)
    put(shelf, NAME, b"a")
    assert waiting.sleeps == []
    with (room / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert shelf.read([NAME]) == [b"a"]
        assert "another process" in failure(lambda: shelf.swap({NAME: Swap(b"a", b"b")}, keep=1))
        assert waiting.sleeps == [0.005] * looks
        waiting.sleeps.clear()
        waiting.release = lambda: fcntl.flock(lock, fcntl.LOCK_UN)
        assert shelf.swap({NAME: Swap(b"a", b"b")}, keep=LONG)
        assert len(waiting.sleeps) == 2


def test_a_child_forked_meanwhile_does_not_keep_the_lock(
    shelf: Directory, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has inherited the descriptor, which would hold the lock for as long as it lives."""
    over, lives = os.pipe()
    children = []

    def flock(lock: int, how: int, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        flock(lock, how)
        if how & fcntl.LOCK_EX:
            children.append(os.fork())
            if children[-1] == 0:
                os.close(lives)
                os.read(over, 1)  # until the test ends, however it does
                os._exit(0)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", flock)
        put(shelf, NAME, b"a")
    assert Directory(str(base)).swap({NAME: Swap(b"a", b"b")}, keep=LONG)
    os.close(lives)
    assert [os.waitpid(child, 0)[1] for child in children] == [0]
    os.close(over)


@contextmanager
def no_room() -> Iterator[None]:
    """No file may become larger than some bytes; that is what a full disk is like."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_room_nothing_changes(shelf: Directory, base: Path) -> None:
    """Not even the names whose new bytes were still written; reads go on."""
    put(shelf, NAME, b"a")
    swaps = {NAME: Swap(b"a", b"b"), "ab/2": Swap(None, b"x" * 5000)}
    with no_room():
        message = failure(lambda: shelf.swap(swaps, keep=LONG))
        assert shelf.read([NAME, "ab/2"]) == [b"a", None]
    assert message == f"cannot write to {base}: File too large: make room for it"
    assert shelf.swap(swaps, keep=LONG)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_what_makes_room_is_advised(
    shelf: Directory, base: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A full disk is one, and a quota that is used up."""

    def replace(*_: object, **__: object) -> None:
        raise OSError(code, "no more")

    monkeypatch.setattr(os, "replace", replace)
    message = failure(lambda: shelf.swap(write(), keep=LONG))
    assert message == f"cannot write to {base}: no more: make room for it"


READ_ONLY = """
os.chmod(f"{place}/vaultconfig-{scope}", 0o500)
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
print(shelf.read([f"{scope}/1"]), flush=True)
try:
    shelf.swap({f"{scope}/2": Swap(None, b"b")}, keep=60)
except ShelfError as error:
    print(error, flush=True)
"""


@needs_root
def test_a_read_only_directory_can_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A swap says that it is, and where."""
    base = Path(f"/tmp/store-{os.getpid()}")
    shelf = Directory(str(base))
    put(shelf, NAME, b"a")
    for path in (base, base / "vaultconfig-ab", *(base / "vaultconfig-ab").iterdir()):
        os.chown(path, NOBODY, NOBODY)
    (base / "vaultconfig-ab" / "lock").unlink()
    with children(READ_ONLY, str(base), "ab") as (child,):
        child.say("go")
        assert child.hear() == "[b'a']"
        assert child.hear() == (
            f"cannot write to {base}: Permission denied:"
            " give it to this user, or choose another directory"
        )


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A read finds nothing there; a swap says why it can't be made."""
    (tmp_path / "file").touch()
    shelf = Directory(str(tmp_path / "file" / "store"))
    assert "Not a directory" in failure(lambda: shelf.read([NAME]))
    assert str(tmp_path / "file" / "store") in failure(lambda: shelf.swap(write(), keep=1))


def test_no_descriptor_stays_open(shelf: Directory, base: Path, room: Path) -> None:
    """Whether a call succeeds or fails."""
    before = len(os.listdir("/proc/self/fd"))
    put(shelf, NAME, b"a")
    fifo(room / "1")
    shelf.read([NAME, "ab/2"])
    shelf.swap({NAME: Swap(b"x", b"y")}, keep=1)
    with no_room():
        failure(lambda: shelf.swap({NAME: Swap(None, b"x" * 5000)}, keep=1))
    by_others(room)
    failure(lambda: shelf.read([NAME]))
    assert len(os.listdir("/proc/self/fd")) == before


def test_without_locks_there_is_no_shelf(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none for files, as Windows, that is a mistake of the settings."""
    monkeypatch.setattr(directory, "fcntl", None)
    with pytest.raises(ConfigurationError, match="needs a POSIX system: name a Redis server"):
        Directory(str(base))


def test_a_system_without_locks_is_told_so(tmp_path: Path) -> None:
    """On Windows the message says what to use instead; importing us works there."""
    program = (
        "from vaultconfig.store.directory import Directory\n"
        "from vaultconfig.errors import ConfigurationError\n"
        "try: Directory('store')\n"
        "except ConfigurationError as error: print(error, error.__context__)\n"
    )
    done = run(program, directory=tmp_path)
    assert done.stdout.strip() == (
        "a store in a directory needs a POSIX system: name a Redis server in VAULTCONFIG_STORE,"
        " or unset it None"
    )
