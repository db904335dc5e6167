"""Makes the mutants, has the tests try each, and compares what survives with ``survivors.toml``.

An argument chooses those that have it in the text "file: function: change". What a test has noticed
is kept in ``build/mutants`` until the code or its tests change, so that a run that was ended goes
on, and the next one tries the survivors alone; without that folder all is tried anew.
"""

from __future__ import annotations

import hashlib
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Final

from tests.mutants.judging import PACKAGE, judge
from tests.mutants.mutating import Mutant, mutants_of

PROJECT: Final = PACKAGE.parent
LISTED: Final = Path(__file__).with_name("survivors.toml")

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "references/*.py": (
        *["tests/references/test_reference.py", "tests/references/test_picking.py"],
        *["tests/references/test_paths.py", "tests/references/test_near_misses.py"],
        *["tests/references/test_template.py", "tests/references/test_properties.py"],
    ),
    "masking/known.py masking/printing.py": (
        *["tests/pure/test_printing.py", "tests/settings/test_masking_reshaped.py"],
    ),
    "client/codes.py client/attempts.py": (
        *["tests/client/test_attempts.py", "tests/client/test_errors.py"],
        "tests/client/test_auth.py::test_the_codes_of_oauth_are_repeated",
    ),
    "live/schedule.py": (
        "tests/live/test_schedule.py",
        "tests/live/test_refresher.py::test_a_refresh_may_take_five_seconds",
    ),
    "loading/annotations.py": (
        *["tests/pure/test_annotations.py", "tests/settings/test_annotations.py"],
        "tests/settings/test_unfilled.py",
    ),
    "loading/places.py": ("tests/pure/test_places.py", "tests/settings/test_aliases.py"),
    "loading/layers.py": ("tests/pure/test_layers.py",),
    "loading/fields.py": (
        *["tests/pure/test_fields.py", "tests/pure/test_defaults.py", "tests/pure/test_unions.py"],
        *["tests/pure/test_merging.py", "tests/pure/test_merging_models.py"],
        *["tests/settings/test_generics.py", "tests/settings/test_annotations.py"],
        "tests/settings/test_unfilled.py",
    ),
    "loading/checks.py loading/made.py loading/objects.py": (
        *["tests/settings/test_checks.py", "tests/settings/test_sources.py"],
        *["tests/settings/test_generics.py", "tests/settings/test_unfilled.py"],
        *["tests/settings/test_unfilled_defaults.py", "tests/settings/test_given_objects.py"],
        "tests/settings/test_masking.py",
    ),
    "loading/placeholders.py": (
        *["tests/settings/test_placeholders.py", "tests/settings/test_kept_quotes.py"],
    ),
    "loading/defaults.py": (
        *["tests/pure/test_defaults.py", "tests/settings/test_nested.py"],
        "tests/settings/test_unfilled.py",
    ),
    "loading/unions.py": ("tests/pure/test_unions.py", "tests/settings/test_generics.py"),
    "loading/needs.py loading/filling.py loading/pieces.py": (
        *["tests/pure/test_needs.py", "tests/pure/test_filling.py"],
        "tests/settings/test_values.py",
    ),
    "loading/report.py": (
        *["tests/pure/test_report.py", "tests/settings/test_errors.py"],
        "tests/settings/test_masking_reshaped.py",
    ),
    "loading/load.py": ("tests/pure/test_load.py",),
    "loading/merging.py loading/precedence.py": (
        *["tests/pure/test_load.py", "tests/pure/test_merging.py"],
        *["tests/pure/test_merging_models.py", "tests/settings/test_nested.py"],
        *["tests/settings/test_values.py", "tests/settings/test_precedence.py"],
        *["tests/settings/test_aliases.py", "tests/settings/test_fallback.py"],
        *["tests/settings/test_generics.py", "tests/settings/test_placeholders.py"],
        "tests/settings/test_masking_reshaped.py::test_ordinary_settings_are_shown",
        *["tests/settings/test_given_objects.py", "tests/settings/test_unfilled_defaults.py"],
    ),
    "loading/schema.py": (
        *["tests/settings/test_schema.py::test_references_stand_beside_the_rest"],
        *["tests/settings/test_schema.py::test_nothing_else_changes"],
        *["tests/settings/test_schema.py::test_models_of_a_union"],
        *["tests/settings/test_schema.py::test_what_a_schema_leaves_out"],
        *["tests/settings/test_schema.py::test_a_default_that_is_said"],
        *["tests/settings/test_schema.py::test_wherever_the_schema_is_made"],
    ),
    "loading/descriptions.py": ("tests/pure/test_descriptions.py",),
    "loading/advice.py": ("tests/pure/test_advice.py",),
    "loading/patching.py": ("tests/pure/test_patching.py",),
    "loading/mistakes.py": ("tests/pure/test_mistakes.py",),
    "vaults/cache.py vaults/flights.py vaults/lifetime.py vaults/vault.py": (
        *["tests/pure/test_lifetime.py", "tests/pure/test_cache.py", "tests/pure/test_flights.py"],
        *["tests/pure/test_vault.py", "tests/settings/test_cache.py"],
        *["tests/store/test_refreshing.py", "tests/store/test_sharing.py"],
    ),
    "store/entries.py store/sealing.py store/shelf.py": (
        *["tests/store/test_entries.py", "tests/store/test_sealing.py"],
    ),
    "vaults/sharing.py": (
        *["tests/store/test_bringing.py", "tests/store/test_refreshing.py"],
        "tests/store/test_sharing.py",
    ),
    "store/store.py": ("tests/store/test_store.py",),
    "vaults/shared.py": (
        *["tests/pure/test_shared_vaults.py", "tests/settings/test_connection.py"],
    ),
    "store/directory.py": (
        "tests/store/test_directory.py",
        "tests/store/test_shelf.py::test_nothing_stands_where_nothing_was_written[directory]",
        "tests/store/test_shelf.py::test_a_swap_needs_what_stood_there[directory]",
        "tests/store/test_shelf.py::test_a_swap_may_take_whatever_stands_there[directory]",
        "tests/store/test_shelf.py::test_several_names_change_together_or_not_at_all[directory]",
        "tests/store/test_shelf.py::test_nothing_can_be_put_there[directory-None]",
        "tests/store/test_shelf.py::test_nothing_can_be_put_there[directory-]",
        "tests/store/test_shelf.py::test_what_is_too_long_is_cut_and_replaced[directory]",
    ),
    "store/access.py": ("tests/store/test_access.py", "tests/store/test_store.py::TestTrials"),
    "store/server.py": (
        "tests/store/test_server.py",
        "tests/store/test_shelf.py::test_nothing_stands_where_nothing_was_written[valkey]",
        "tests/store/test_shelf.py::test_a_swap_needs_what_stood_there[valkey]",
        "tests/store/test_shelf.py::test_a_swap_may_take_whatever_stands_there[valkey]",
        "tests/store/test_shelf.py::test_several_names_change_together_or_not_at_all[valkey]",
        "tests/store/test_shelf.py::test_nothing_can_be_put_there[valkey-None]",
        "tests/store/test_shelf.py::test_what_is_too_long_is_cut_and_replaced[valkey]",
        "tests/store/test_shelf.py::test_to_clear_a_scope_leaves_the_others[valkey]",
        "tests/store/test_shelf.py::test_one_that_was_closed_opens_again[valkey]",
        "tests/store/test_shelf.py::test_a_forked_child_leaves_its_parents_alone[valkey]",
    ),
}
"""What is changed, and the tests that hold it: those that run in this process, and are quick."""


def main() -> int:
    """Print what survives and is not listed, and what is listed and does not survive."""
    words = sys.argv[1:] or [""]
    listed = {
        f"{file}: {name}"
        for file, names in tomllib.loads(LISTED.read_text(encoding="utf-8")).items()
        for name in names
    }
    made: set[str] = set()
    survivors: set[str] = set()
    for patterns, tests in GROUPS.items():
        files = found(patterns)
        kept = kept_for([*files, *{PROJECT / test.partition("::")[0] for test in tests}])
        mutants = [mutant for file in files for mutant in mutants_of(file, PACKAGE)]
        mutants = [mutant for mutant in mutants if any(word in key(mutant) for word in words)]
        done = noticed(kept)
        new = [mutant for mutant in mutants if key(mutant) not in done]
        made |= {key(mutant) for mutant in mutants}
        if new:
            sys.stdout.write(f"{patterns}: {len(new)} of {len(mutants)} mutants to try\n")
            judge(new, tests, partial(note, kept))
            survivors |= {key(mutant) for mutant in new} - noticed(kept)
    unlisted = sorted(survivors - listed)
    outdated = sorted(n for n in listed - survivors if any(word in n for word in words))
    for title, names in {
        "These survive: test them, or list them with the reason": unlisted,
        "These are listed, and do not survive": outdated,
    }.items():
        sys.stdout.writelines([f"\n{title}\n", *(f"  {name}\n" for name in names)] if names else [])
    sys.stdout.write(
        f"\n{len(made)} mutants: {len(made) - len(survivors)} noticed by a test, "
        f"{len(survivors & listed)} listed, {len(unlisted)} not listed\n"
    )
    return bool(unlisted or outdated)


def key(mutant: Mutant) -> str:
    return f"{mutant.file}: {mutant.name}"


def found(patterns: str) -> list[Path]:
    files = {pattern: sorted(PACKAGE.glob(pattern)) for pattern in patterns.split()}
    assert all(files.values()), f"no files where they are looked for: {files}"
    return [file for those in files.values() for file in those]


def note(kept: Path, mutant: Mutant, *, has_survived: bool) -> None:
    """Show a survivor at once, and keep the name of any other."""
    if has_survived:
        sys.stdout.write(f"survives: {key(mutant)}\n")
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        file.write(f"{key(mutant)}\n")


def noticed(kept: Path) -> set[str]:
    """Return the names of the mutants that a test has noticed before."""
    return {*kept.read_text(encoding="utf-8").splitlines()} if kept.exists() else set()


def kept_for(files: list[Path]) -> Path:
    """Return where is kept what was found while *files* are as they are now."""
    contents = b"".join(hashlib.sha256(file.read_bytes()).digest() for file in sorted(files))
    return PROJECT / "build/mutants" / hashlib.sha256(contents).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
