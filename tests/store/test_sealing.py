"""What is sealed opens under its own name, for its own owner, with its own key, and not else."""

from __future__ import annotations

import pytest
from pydantic import SecretBytes

from tests.store.hosts import KEY, OTHER_KEY
from vaultconfig.store.sealing import Seal
from vaultconfig.store.shelf import LARGEST, UnusableError

OWNER = ("shop", "production", "", "https://vault.example")
SEAL = Seal(KEY, OWNER)
NAME = SEAL.name("secret", "app/db", None)


def test_what_is_sealed_opens() -> None:
    """The key, the owner and the name give back what was sealed."""
    assert SEAL.open(NAME, SEAL.close(NAME, b"canary")) == b"canary"
    assert SEAL.open(NAME, SEAL.close(NAME, b"")) == b""


def test_the_largest_that_opens() -> None:
    """It is 1 MiB with the format, the nonce and the tag."""
    plain = bytes((1 << 20) - 29)
    assert SEAL.open(NAME, SEAL.close(NAME, plain)) == plain
    with pytest.raises(UnusableError, match="larger"):
        SEAL.open(NAME, SEAL.close(NAME, plain + b"x"))


def test_what_was_sealed_before_still_opens() -> None:
    """Names and format outlive a release: other versions read the same store."""
    assert NAME == "8b391a0adf45ef970fa0c2e332162468/cc5a0cbf736446f374afc6daf4c85612"
    assert (
        SEAL.open(
            NAME,
            bytes.fromhex("01e267a8382578b3be1a1f2c479c579d34fdc60c07f56eff7bd1f305aef2e678c82cab"),
        )
        == b"canary"
    )


def test_a_name_is_the_same_each_time() -> None:
    """Another process finds what this one has sealed."""
    assert Seal(KEY, OWNER).name("secret", "app/db", None) == NAME


def test_the_same_text_is_sealed_differently() -> None:
    """A nonce is used once: equal values can't be told to be equal."""
    assert SEAL.close(NAME, b"canary") != SEAL.close(NAME, b"canary")


@pytest.mark.parametrize("place", range(4))
def test_another_owner_can_not_open_it(place: int) -> None:
    """Application, environment, tenant and server are bound to it, and to its name."""
    owner = [*OWNER]
    owner[place] += "x"
    other = Seal(KEY, owner)
    assert other.name("secret", "app/db", None) != NAME
    assert other.scope != SEAL.scope
    with pytest.raises(UnusableError, match="another name or key"):
        other.open(NAME, SEAL.close(NAME, b"canary"))


def test_parts_of_an_owner_do_not_run_together() -> None:
    """A part that ends where the next one began is another owner."""
    assert Seal(KEY, ("ab", "c", "", "")).scope != Seal(KEY, ("a", "bc", "", "")).scope


def test_another_key_can_not_open_it() -> None:
    """Its names are others, too."""
    other = Seal(OTHER_KEY, OWNER)
    assert other.name("secret", "app/db", None) != NAME
    with pytest.raises(UnusableError, match="another name or key"):
        other.open(NAME, SEAL.close(NAME, b"canary"))


def test_another_name_can_not_open_it() -> None:
    """Two entries that somebody has swapped are found out."""
    with pytest.raises(UnusableError, match="another name or key"):
        SEAL.open(SEAL.name("secret", "app/db", 1), SEAL.close(NAME, b"canary"))


@pytest.mark.parametrize("size", [0, 1, 12, 28])
def test_what_is_truncated_is_found_out(size: int) -> None:
    """Down to nothing at all."""
    with pytest.raises(UnusableError, match="truncated"):
        SEAL.open(NAME, SEAL.close(NAME, b"canary")[:size])


@pytest.mark.parametrize("place", [1, 13, -1])
def test_what_is_damaged_is_found_out(place: int) -> None:
    """A flipped bit of the nonce, the value or the tag."""
    sealed = bytearray(SEAL.close(NAME, b"canary"))
    sealed[place] ^= 1
    with pytest.raises(UnusableError, match="damaged"):
        SEAL.open(NAME, bytes(sealed))


def test_another_format_and_huge_values_are_found_out() -> None:
    """Before anything is decrypted."""
    with pytest.raises(UnusableError, match="another format"):
        SEAL.open(NAME, b"\x02" + SEAL.close(NAME, b"canary")[1:])
    with pytest.raises(UnusableError, match="larger"):
        SEAL.open(NAME, b"\x01" * (LARGEST + 1))


def test_names_tell_nothing() -> None:
    """They are digests, and keyed: who guesses a path can't check it."""
    assert not {"app", "shop"} & set(NAME.split("/"))
    scope, slash, name = NAME.partition("/")
    assert (len(scope), slash, len(name)) == (32, "/", 32)
    assert int(scope + name, 16)
    assert Seal(SecretBytes(b"x" * 32), OWNER).scope != SEAL.scope
