"""What holds for a directory, a Valkey and a Redis alike."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from tests.live.rig import LONG, eventually
from tests.store.rig import children, put, shelf_at
from vaultconfig.store.shelf import LARGEST, Shelf, Swap

ODD = [b"\0", b"\r\n", bytes(range(256)), b"$-1\r\n", b"*0\r\n", "ключ".encode(), b"x" * LARGEST]


def test_nothing_stands_where_nothing_was_written(shelf: Shelf, scope: str) -> None:
    """A read of what is not there, or of no name at all, is no failure; nor is it to clear it."""
    assert shelf.read([f"{scope}/1", f"{scope}/2"]) == [None, None]
    assert shelf.read([]) == []
    assert shelf.clear(scope) == 0


@pytest.mark.parametrize("value", ODD, ids=[repr(value[:8]) for value in ODD])
def test_what_was_written_is_read(place: str, shelf: Shelf, scope: str, value: bytes) -> None:
    """Bytes come back as they were, in another process, too; names in the order of the call."""
    put(shelf, f"{scope}/1", value)
    other = shelf_at(place)
    assert other.read([f"{scope}/2", f"{scope}/1", f"{scope}/1"]) == [None, value, value]
    other.close()


def test_a_swap_needs_what_stood_there(shelf: Shelf, scope: str) -> None:
    """It is made only over what the caller has read, also where that was nothing."""
    name = f"{scope}/1"
    assert not shelf.swap({name: Swap(b"a", b"b")}, keep=LONG)
    assert shelf.read([name]) == [None]
    assert shelf.swap({name: Swap(None, b"a")}, keep=LONG)
    for before in (None, b"", b"b", b"aa"):
        assert not shelf.swap({name: Swap(before, b"c")}, keep=LONG)
    assert shelf.swap({name: Swap(b"a", b"b")}, keep=LONG)
    assert shelf.read([name]) == [b"b"]


def test_a_swap_may_take_whatever_stands_there(shelf: Shelf, scope: str) -> None:
    """Nothing, or something, beside a name that has to be what it was."""
    mark, name = f"{scope}/1", f"{scope}/2"
    for value in (b"a", b"b"):
        assert shelf.swap({mark: Swap(..., value), name: Swap(None, None)}, keep=LONG)
        assert shelf.read([mark]) == [value]
    assert not shelf.swap({mark: Swap(..., b"c"), name: Swap(b"x", b"y")}, keep=LONG)
    assert shelf.swap({mark: Swap(..., None)}, keep=LONG)
    assert shelf.read([mark, name]) == [None, None]


def test_several_names_change_together_or_not_at_all(shelf: Shelf, scope: str) -> None:
    """One name that holds something else keeps all of them from changing, first or last."""
    one, two, three = (f"{scope}/{n}" for n in (1, 2, 3))
    put(shelf, one, b"1")
    put(shelf, two, b"2")
    for wrong in (
        {one: Swap(b"0", b"new"), two: Swap(b"2", None), three: Swap(None, b"new")},
        {one: Swap(b"1", b"new"), two: Swap(b"2", None), three: Swap(b"3", b"new")},
    ):
        assert not shelf.swap(wrong, keep=LONG)
        assert shelf.read([one, two, three]) == [b"1", b"2", None]
    right = {one: Swap(b"1", b"new"), two: Swap(b"2", None), three: Swap(None, b"new")}
    assert shelf.swap(right, keep=LONG)
    assert shelf.read([one, two, three]) == [b"new", None, b"new"]
    assert shelf.swap({}, keep=LONG)


@pytest.mark.parametrize("nothing", [None, b""])
def test_nothing_can_be_put_there(shelf: Shelf, scope: str, nothing: bytes | None) -> None:
    """None removes; empty bytes are nothing, too, as before and as after."""
    name = f"{scope}/1"
    assert shelf.swap({name: Swap(nothing, nothing)}, keep=LONG)
    put(shelf, name, b"a")
    assert shelf.swap({name: Swap(b"a", nothing)}, keep=LONG)
    assert shelf.read([name]) == [None]
    assert shelf.swap({name: Swap(nothing, b"b")}, keep=LONG)


def test_what_has_ended_is_not_there(shelf: Shelf, scope: str) -> None:
    """Each name ends by itself, and can then be taken as one that was never there."""
    short, long = f"{scope}/1", f"{scope}/2"
    put(shelf, long, b"a")
    put(shelf, short, b"a", keep=0.001)
    eventually(lambda: shelf.read([short, long]) == [None, b"a"])
    assert not shelf.swap({short: Swap(b"a", b"b")}, keep=LONG)
    assert shelf.swap({short: Swap(None, b"b")}, keep=LONG)


def test_what_is_too_long_is_cut_and_replaced(shelf: Shelf, scope: str) -> None:
    """Nobody reads more than a byte over the largest value, and it is not in the way for ever."""
    name = f"{scope}/1"
    put(shelf, name, b"x" * (LARGEST + 1000))
    assert shelf.read([name]) == [b"x" * (LARGEST + 1)]
    put(shelf, name, b"y")
    assert shelf.read([name]) == [b"y"]


def test_to_clear_a_scope_leaves_the_others(shelf: Shelf, scope: str) -> None:
    """However many names there are, as long as ours, and each of them is counted."""
    names = [f"{scope}/{n:064x}" for n in range(1200)]
    put(shelf, f"{scope}0/1", b"other")
    for n in range(0, len(names), 100):
        assert shelf.swap({name: Swap(None, b"a") for name in names[n : n + 100]}, keep=LONG)
    assert shelf.clear(scope) == len(names)
    assert shelf.read(names) == [None] * len(names)
    assert shelf.read([f"{scope}0/1"]) == [b"other"]
    assert shelf.clear(scope) == 0
    put(shelf, f"{scope}/1", b"again")


def test_one_that_was_closed_opens_again(shelf: Shelf, scope: str) -> None:
    """To close it ends connections, not its use."""
    put(shelf, f"{scope}/1", b"a")
    shelf.close()
    shelf.close()
    assert shelf.read([f"{scope}/1"]) == [b"a"]


COUNT = """
name, done = f"{scope}/c", 0
while done < 50:
    (before,) = shelf.read([name])
    done += shelf.swap({name: Swap(before, b"%d" % (int(before or 0) + 1))}, keep=600)
shelf.close()
print("done", flush=True)
"""


def test_processes_lose_no_swap(place: str, shelf: Shelf, scope: str) -> None:
    """Eight that count to fifty each have counted to four hundred."""
    with children(COUNT, place, scope, number=8) as found:
        for child in found:
            child.say("go")
        assert [child.hear() for child in found] == ["done"] * 8
    assert shelf.read([f"{scope}/c"]) == [b"400"]


def test_threads_lose_no_swap(shelf: Shelf, scope: str) -> None:
    """Nor do the threads that share a shelf."""
    name = f"{scope}/c"

    def count() -> None:
        done = 0
        while done < 50:
            (before,) = shelf.read([name])
            done += shelf.swap({name: Swap(before, b"%d" % (int(before or 0) + 1))}, keep=LONG)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert shelf.read([name]) == [b"400"]


RACE = """
for turn in range(20):
    mine = b"%d" % os.getpid()
    print(shelf.swap({f"{scope}/{turn:x}": Swap(None, mine)}, keep=600), flush=True)
    sys.stdin.readline()
shelf.close()
"""


def test_one_of_two_gets_a_lease(place: str, shelf: Shelf, scope: str) -> None:
    """Each time, and what stands there is what the winner wrote."""
    with children(RACE, place, scope, number=2) as found:
        for turn in range(20):
            for child in found:
                child.say("go")
            won = [child for child in found if child.hear() == "True"]
            assert len(won) == 1
            assert shelf.read([f"{scope}/{turn:x}"]) == [b"%d" % won[0].process.pid]


def test_a_forked_child_leaves_its_parents_alone(place: str, shelf: Shelf, scope: str) -> None:
    """Whether it drops, closes or uses that of its parent, beside one of its own: it goes on."""
    put(shelf, f"{scope}/1", b"a")
    for what in ("drop", "close", "use"):
        child = os.fork()
        if child == 0:
            try:
                mine = shelf_at(place)
                put(mine, f"{scope}/1", what.encode())
                mine.close()
                if what == "close":
                    shelf.close()
                if what == "use":
                    assert shelf.read([f"{scope}/1"]) == [b"use"]
                    assert all(each.pid == os.getpid() for each in getattr(shelf, "_idle", []))
                if what == "drop":
                    shelf.__dict__.clear()
                    gc.collect()
            except BaseException:
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert shelf.read([f"{scope}/1"]) == [what.encode()]
