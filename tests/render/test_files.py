"""A file is replaced whole or not at all, and nothing is left beside it."""

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from vaultconfig.errors import ConfigurationError
from vaultconfig.render.files import read, write

CANARY = "canary-value"
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")

# Writes a file and stops at an audit event of the interpreter until it is told to go on.
CHILD = """
import os, sys
from vaultconfig.render.files import write
path, event, fallback = sys.argv[1:]
if fallback:
    del os.O_TMPFILE
def meet(name, _):
    if name == event:
        os.write(1, b"here")
        os.read(0, 1)
sys.addaudithook(meet)
write(path, "new")
"""


@pytest.fixture
def file(tmp_path):
    """A path in a directory with an old file of that name."""
    file = tmp_path / "dir" / ".env"
    file.parent.mkdir()
    file.write_text("old")
    return file


@pytest.fixture(params=[False, True], ids=["unnamed", "named"])
def fallback(request, monkeypatch):
    """Whether the system lacks unnamed temporary files."""
    if request.param:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("Linux only")
    return request.param


def refused(call: Callable[[], object], *, match: str) -> None:
    """Expect a clean ConfigurationError from *call*."""
    with pytest.raises(ConfigurationError, match=match) as caught:
        call()
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is caught.value.__cause__ is None


def started(file: Path, event: str, *, fallback: bool = False) -> "subprocess.Popen[bytes]":
    """Return a process that is about to do *event* on its way to replacing *file*."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(file), event, "named" * fallback],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.read(4) == b"here"
    return child


def finish(child: "subprocess.Popen[bytes]") -> int:
    """Let *child* go on and return how it ended."""
    child.communicate(b"x", timeout=30)
    return child.returncode


def as_nobody(call: Callable[[], object]) -> str:
    """Return the message of the ConfigurationError that *call* raises for an ordinary user."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            call()
        except ConfigurationError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        message = pipe.read()
    os.waitpid(pid, 0)
    return message


def test_a_new_file_is_ours_alone(tmp_path, fallback):
    """Whatever the umask, the mode is 0600, and the bytes are those that were given."""
    previous = os.umask(0)
    try:
        assert write(tmp_path / "x", "a\r\nb\rü") == []
    finally:
        os.umask(previous)
    assert (tmp_path / "x").read_bytes() == "a\r\nb\rü".encode()
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("in_place", [False, True])
def test_an_existing_file_is_tightened(file, fallback, in_place):
    """Its mode becomes the one that was asked for, in place too, and nothing is left over."""
    file.chmod(0o666)
    inode = file.stat().st_ino
    write(file, b"\xff", mode=0o640, in_place=in_place)
    assert file.read_bytes() == b"\xff"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert (file.stat().st_ino == inode) == in_place
    assert os.listdir(file.parent) == [".env"]


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o700, 0o4600, 0o040, 0])
def test_other_modes_are_refused(file, mode):
    """No mode is wider than 0640, or lets nobody read."""
    refused(lambda: write(file, CANARY, mode=mode), match=f"mode {mode:04o}")
    assert file.read_text() == "old"


@needs_root
def test_owner_and_group_are_kept(file, fallback):
    """Root that renders for a service leaves it its file."""
    os.chown(file, NOBODY, NOBODY)
    write(file, "new")
    assert (file.stat().st_uid, file.stat().st_gid) == (NOBODY, NOBODY)


@pytest.fixture
def theirs(file):
    """A file of another user, whose text nobody but them wrote."""
    os.chown(file, NOBODY, NOBODY)
    return file


@needs_root
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o1775])
def test_a_stranger_gets_no_secret(theirs, fallback, mode, in_place):
    """Where others can make files, one of another owner is refused, and nothing of it is read."""
    theirs.parent.chmod(mode)
    match = "it belongs to another user, where others can make files: remove it"
    refused(lambda: write(theirs, CANARY, in_place=in_place), match=f"cannot write .*{match}")
    refused(lambda: read(theirs), match=f"cannot read .*{match}")
    assert (theirs.read_text(), theirs.stat().st_uid) == ("old", NOBODY)
    assert os.listdir(theirs.parent) == [".env"]
    os.chown(theirs, 0, 0)
    write(theirs, "new", in_place=in_place)
    assert read(theirs) == "new"


@needs_root
@pytest.mark.parametrize("in_place", [False, True])
def test_a_directory_that_a_stranger_made(theirs, in_place):
    """Nor is a file written for the owner of a directory that stands where all can make one."""
    os.chown(theirs.parent, NOBODY, NOBODY)
    theirs.parent.parent.chmod(0o1777)
    refused(lambda: write(theirs, CANARY, in_place=in_place), match="another user")
    assert theirs.read_text() == "old"


@needs_root
@pytest.mark.parametrize("owner", [0, NOBODY])
def test_a_service_keeps_its_file(theirs, owner):
    """In a directory of its own, or of root's, a service keeps the file that is its own."""
    os.chown(theirs.parent, owner, owner)
    write(theirs, "new")
    assert (theirs.read_text(), theirs.stat().st_uid) == ("new", NOBODY)


def test_a_relative_path_is_fine(file, monkeypatch):
    """A bare name is in the working directory."""
    monkeypatch.chdir(file.parent)
    write(".env", "new")
    assert read(".env") == "new"


def test_any_thread_may_write(file):
    """Signal handlers are for the main thread only, and elsewhere not needed."""
    thread = threading.Thread(target=write, args=(file, "new"))
    thread.start()
    thread.join()
    assert file.read_text() == "new"


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "slash", "fifo", "device"])
def test_only_a_regular_file_is_written(file, kind, in_place):
    """Links, directories, pipes and devices are refused and stay as they are."""
    path = file.with_name("path")
    text = str(path)
    match kind:
        case "link":
            path.symlink_to(file)
        case "dangling":
            path.symlink_to("nowhere")
        case "directory":
            path.mkdir()
        case "slash":
            text = f"{file.parent}/"
        case "fifo":
            os.mkfifo(path)
        case "device":
            text = "/dev/null"
    before = sorted(os.listdir(file.parent))
    words = {"link": "link", "dangling": "link", "directory": "directory", "slash": "directory"}
    expected = words.get(kind, "not a regular file")
    refused(lambda: write(text, CANARY, in_place=in_place), match=f"cannot write .*{expected}")
    refused(lambda: read(text), match=f"cannot read .*({expected}|link)")
    assert file.read_text() == "old"
    assert sorted(os.listdir(file.parent)) == before


def test_a_link_put_there_meanwhile_is_not_followed(file):
    """A link that replaces the file at the last moment is replaced itself."""
    victim = file.with_name("victim")
    victim.write_text("mine")
    child = started(file, "os.rename")
    file.unlink()
    file.symlink_to(victim)
    assert finish(child) == 0
    assert victim.read_text() == "mine"
    assert file.read_text() == "new"
    assert not file.is_symlink()


@pytest.mark.parametrize(
    ("number", "event", "fallback"),
    [
        (signal.SIGKILL, "os.link", False),
        (signal.SIGTERM, "os.link", False),
        (signal.SIGTERM, "os.rename", False),
        (signal.SIGTERM, "os.rename", True),
        (signal.SIGHUP, "os.rename", True),
        (signal.SIGINT, "os.rename", True),
    ],
)
def test_killed_half_way(file, number, event, fallback):
    """A kill between writing and renaming leaves the old file and nothing beside it."""
    child = started(file, event, fallback=fallback)
    child.send_signal(number)
    assert child.wait(timeout=30) == -number
    child.communicate()
    assert file.read_text() == "old"
    assert os.listdir(file.parent) == [".env"]


def test_a_full_disk_leaves_the_old_file(file, fallback):
    """When the text does not fit, the error says so and the old file is untouched."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        refused(lambda: write(file, CANARY * 1000), match="too large: make room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_text() == "old"
    assert os.listdir(file.parent) == [".env"]


def test_a_directory_that_is_not_there(tmp_path):
    """No directory is made up."""
    refused(lambda: write(tmp_path / "no" / "x", CANARY), match="create its directory")
    (tmp_path / "x").write_text("")
    refused(lambda: write(tmp_path / "x" / "y", CANARY), match="Not a directory")
    assert os.listdir(tmp_path) == ["x"]


@pytest.fixture
def public(monkeypatch):
    """A read-only directory that an ordinary user can reach, with an old file."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / ".env").write_text("old")
        directory.chmod(0o555)
        monkeypatch.setenv("HOME", name)  # git stops at a home that it may not read
        yield directory
        directory.chmod(0o755)


def test_a_read_only_directory(public):
    """Without the right to write, the error says what to do and all stays."""
    message = as_nobody(lambda: write(public / ".env", CANARY))
    assert "Permission denied: make it and its directory accessible" in message
    assert CANARY not in message
    assert (public / ".env").read_text() == "old"
    assert os.listdir(public) == [".env"]


def test_an_unreadable_file(public):
    """A file that is not ours to read is an error, not a missing file."""
    (public / ".env").chmod(0)
    assert "Permission denied" in as_nobody(lambda: read(public / ".env"))


MOUNTED = """
import sys
from vaultconfig.errors import ConfigurationError
from vaultconfig.render.files import write
try:
    write(sys.argv[1], "new")
except ConfigurationError as error:
    print(error)
write(sys.argv[1], "new", in_place=True)
"""


@needs_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_a_file_that_is_mounted_by_itself(file):
    """It cannot be renamed over; the error names --in-place, which can write it."""
    target = file.with_name("target")
    target.touch()
    mount = 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$2"'
    command = ["unshare", "-m", "sh", "-c", mount, "sh", file, target, sys.executable, MOUNTED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "mount" in done.stderr:
        pytest.skip("may not mount")
    assert "(--in-place)" in done.stdout
    assert done.returncode == 0
    assert file.read_text() == "new"
    assert sorted(os.listdir(file.parent)) == [".env", "target"]


def test_reading_changes_nothing(tmp_path):
    """Line ends and the byte order mark come as they are; no file is None."""
    (tmp_path / "x").write_bytes("\ufeffa\r\nb\r".encode())
    assert read(tmp_path / "x") == "\ufeffa\r\nb\r"
    assert read(tmp_path / "y") is None


def test_reading_what_is_not_text(tmp_path):
    """Another encoding is an error that says where, and holds nothing of the file."""
    (tmp_path / "x").write_bytes(f"a\n{CANARY}".encode() + b"\xff")
    told = rf"line 2 is not UTF-8 \(byte {len(CANARY) + 2} of the file\)"
    refused(lambda: read(tmp_path / "x"), match=told)


def test_writing_what_is_not_text(file):
    """A lone surrogate is refused, and the text is in no exception."""
    refused(lambda: write(file, f"{CANARY}\ud800"), match="surrogate")
    assert file.read_text() == "old"
