"""Texts that are nearly references."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultconfig.references import meant_by

EDITS = st.sampled_from(
    [
        *["ault:", "vult:", "valt:", "vaut:", "vaul:", "vault"],
        *["xault:", "vaxlt:", "vault;", "vault/", "vault."],
        *["xvault:", "vxault:", "vaultx:", "vaault:", "vault::"[1:] + ":"],
        *["avult:", "vualt:", "valut:", "vautl:", "vaul:t"],
    ]
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("valut:app#key", "vault:app#key"),
        ("Vault:app#key", "vault:app#key"),
        ("VAULT:app/key", "vault:app/key"),
        ("vault//app#k", "vault:app#k"),
        ("vault/app#k", "vault:app#k"),
        ("vaultapp/db#k", "vault:app/db#k"),
        ("vaults:app#k", "vault:app#k"),
        ("vaultapp/a/b/c/d/e/f/g/h/i", "vault:app/a/b/c/d/e/f/g/h/i"),
        ("vaultx/a/b/c/d/e/f/g/h/i/j", "vault:a/b/c/d/e/f/g/h/i/j"),  # with an x, 11 levels
        ("vaulta/b#k", "vault:a/b#k"),
        ("vault;a/b#k", "vault:a/b#k"),
        ("vault-:a/b#k", "vault:a/b#k"),
        ("app/db#password", "vault:app/db#password"),
        ("app/db#k1", "vault:app/db#k1"),
        ("app/{environment}/db?ttl=5m#password", "vault:app/{environment}/db?ttl=5m#password"),
    ],
)
def test_nearly_a_reference(text: str, meant: str) -> None:
    """One edit of ``vault:``, or only ``vault:`` missing; what was meant is known."""
    assert meant_by(text) == meant


@given(EDITS, st.sampled_from(["/", "#"]))
def test_every_edit(head: str, mark: str) -> None:
    """An inserted, deleted, replaced or swapped letter is one edit, wherever it is."""
    assert meant_by(f"{head}a{mark}b") is not None
    assert meant_by(f"{head.upper()}a{mark}b") is not None


@pytest.mark.parametrize(
    "text",
    [
        *["default: 5 s", "value: 1 to 5", "acme/shop#42", "see docs/config#database"],
        *["default:5/s", "value:1/5", "fault", "vault", "valut:app", "Vault:", "", "v", "#", "/"],
        *["vuatl:a#b", "vabct:a#b", "vau:a#b", "vvvault:a#b", "valut: app#key", "valut:app#key\n"],
        *[
            "app#password",
            "App/db#password",
            "app/db#Password",
            "app/db#",
            "app//db#x",
            "/app/db#x",
        ],
        *["https://example.com/docs#intro", "#/components/schemas", "a/../b#c", "a/b"],
        *["vault:app#key", "vault:v1:ab/cd#e", "vault::a/b#c", "${vault:a#b}", "vault:/wrong#x"],
    ],
)
def test_texts_like_any_other(text: str) -> None:
    """Two edits, no slash or hash, white space, upper case, or a name that begins otherwise."""
    assert meant_by(text) is None


@given(st.text())
def test_any_text_at_all(text: str) -> None:
    """It never fails, and says nothing about what has blanks in it."""
    meant = meant_by(text)
    assert meant is None or (meant.startswith("vault:") and not any(map(str.isspace, text)))
