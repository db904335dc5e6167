"""A dotenv text loads back equal, and keeps every byte that is not ours."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, create_model
from pydantic_settings import BaseSettings, DotEnvSettingsSource

from tests.render.awkward import AWKWARD
from vaultconfig.errors import ConfigurationError
from vaultconfig.render.dotenv import compare, encode, parse, update, verify
from vaultconfig.render.rules import Difference

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
TRICKY = st.text(st.sampled_from("'\"\\`$({[]})#= \t\r\n:-_ab\x85\ufeff"))
KEYS = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)


def load(path: Path, text: str) -> dict[str, str | None]:
    """Return what python-dotenv loads from a real file."""
    path.write_bytes(text.encode())
    return dotenv_values(path)


@pytest.fixture
def file(tmp_path):
    return tmp_path / ".env"


@pytest.mark.parametrize("key", AWKWARD)
def test_an_awkward_value_loads_back_equal(file, key):
    """python-dotenv loads from the file exactly what was encoded."""
    assert load(file, encode(key, AWKWARD[key])) == {key: AWKWARD[key]}


def test_all_awkward_values_load_back_equal_together(file):
    """No quoting of one value reaches into the next."""
    assert load(file, update("", AWKWARD)) == AWKWARD


def test_pydantic_settings_loads_the_same(file):
    """The settings class reads what was written, with expansion on as it always is."""
    file.write_bytes(update("", AWKWARD).encode())
    fields: dict[str, Any] = {f"field_{key}": (str, Field(validation_alias=key)) for key in AWKWARD}
    loaded = create_model("Loaded", __base__=BaseSettings, **fields)(_env_file=file)
    assert {key: getattr(loaded, f"field_{key}") for key in AWKWARD} == AWKWARD


@given(value=TEXTS | TRICKY)
def test_any_text_parses_back(value):
    """Whatever the text, parsing what was encoded gives it back."""
    assert parse(encode("KEY", value)) == {"KEY": value}


@given(values=st.dictionaries(KEYS, TRICKY, min_size=2, max_size=4))
def test_any_values_live_side_by_side(tmp_path_factory, values):
    """Any texts in one file are loaded equal by python-dotenv itself."""
    plain = {key: value for key, value in values.items() if "vault:" not in value}
    file = tmp_path_factory.mktemp("any") / ".env"
    assert load(file, update("", plain)) == plain


# What the encodings are made of: no name that an environment can have may change what they mean.
HOSTILE = ("__", "__+", "__+`", "?", "?-", "?-`", "-", "`", "$", "HOME", "x")


def hostile(text: str) -> dict[str, str]:
    """Return an environment with a value for every name in *text* that one can have, and more."""
    names = {name for name in re.findall(r"\$\{([^}:]*)", text) if name and "=" not in name}
    return dict.fromkeys({*HOSTILE, *names, *parse(text)}, "hostile")


@contextmanager
def surrounded(text: str) -> Iterator[None]:
    """Set them for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in hostile(text).items():
            patch.setenv(name, value)
        yield


@given(values=st.dictionaries(KEYS, TRICKY, min_size=1, max_size=4))
def test_no_variable_changes_what_is_loaded(tmp_path_factory, values):
    """Whatever is set, python-dotenv and pydantic-settings load what was written."""
    values = {key: value for key, value in values.items() if "vault:" not in value}
    file = tmp_path_factory.mktemp("any") / ".env"
    text = update("", values)
    with surrounded(text):
        assert load(file, text) == values
        read = DotEnvSettingsSource(BaseSettings, env_file=file, case_sensitive=True)
        assert read.env_vars == values


@pytest.mark.parametrize("key", AWKWARD)
def test_no_variable_changes_an_awkward_value(file, key):
    """Nor does any change one of the awkward values."""
    text = encode(key, AWKWARD[key])
    with surrounded(text):
        assert load(file, text) == {key: AWKWARD[key]}


OLD = """\
BRACES='p${__:-$}{x}w'
END='a\\${__:-}'
TICKS="it's ${__+`:-`}x${__:-$}(y)"
"""
WRITTEN = {"BRACES": "p${x}w", "END": "a\\", "TICKS": "it's `x$(y)"}


def test_an_older_encoding_is_replaced():
    """What an earlier version wrote depends on variables, so it differs, and is written anew."""
    assert parse(OLD) == WRITTEN
    assert [item.kind for item in compare(OLD, WRITTEN)] == ["changed"] * 3
    updated = update(f"# mine\n{OLD}OTHER='${{__:-x}}'\n", WRITTEN)
    assert updated == f"# mine\n{update('', WRITTEN)}OTHER='${{__:-x}}'\n"
    assert compare(updated, WRITTEN) == []


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("postgres://db:5432/app", "K=postgres://db:5432/app"),
        ("", "K=''"),
        ("a b", "K='a b'"),
        ("a\nb", "K='a\nb'"),
        ("a\\b", r"K='a\b'"),
        ("it's", 'K="it\'s"'),
        ("${x}", "K='${?-=:-$}{x}'"),
        ("a\\", r"K='a\${?-=:-}'"),
        ("a\r\n", r'K="a\r\n"'),
    ],
)
def test_the_plainest_form_is_used(value, line):
    """Bare where nothing can go wrong, then single quotes, then double."""
    assert encode("K", value) == line


@pytest.mark.parametrize("is_hostile", [False, True])
@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_sourcing_runs_nothing(tmp_path, shell, is_hostile):
    """A dotenv file is no shell script, but sourcing it runs nothing, whatever is set."""
    text = update("", AWKWARD)
    (tmp_path / "env").write_bytes(text.encode())
    variables = hostile(text) if is_hostile else {}
    done = subprocess.run(
        [shell, "-c", "set -eu; . ./env; printf %s\\\\n done"],
        cwd=tmp_path,
        env={**variables, "PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"done\n", b"")
    assert os.listdir(tmp_path) == ["env"]


NOT_FOR_NODE = {
    *("BOTH", "BRACES", "DEFAULT", "QUOTED_BRACES", "NASTY", "ARITHMETIC", "ODD_BACKTICK"),
    *("BACKSLASHES", "BACKSLASH_N", "BACKSLASH_QUOTE", "CRLF", "CR", "CR_BACKTICKS"),
}


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_node_loads_what_it_can_hold(file):
    """``node --env-file`` reads the same values, but for the ones that the docs name."""
    held = {key: value for key, value in AWKWARD.items() if key not in NOT_FOR_NODE}
    file.write_bytes(update("", held).encode())
    done = subprocess.run(
        ["node", f"--env-file={file}", "-p", "JSON.stringify(process.env)"],
        capture_output=True,
        check=True,
    )
    loaded = json.loads(done.stdout)
    assert {key: loaded.get(key) for key in held} == held


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
@pytest.mark.parametrize("call", [encode, lambda key, value: update("", {key: value})])
def test_what_cannot_be_held_is_refused_by_name(call, value):
    """NUL and lone surrogates are refused, and the message has the key and not the value."""
    with pytest.raises(ConfigurationError, match="KEY: the format dotenv cannot hold") as caught:
        call("KEY", value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("key", ["", "1A", "A-B", "A B", "A=B", "Ä", "A\n"])
def test_a_key_is_an_environment_name(key):
    """Nothing but letters, digits and underscores makes a key."""
    with pytest.raises(ConfigurationError, match="is not a valid variable name"):
        encode(key, "x")


EXISTING = """\
# the application\r
\r
  export DB_URL = "old"  # keep me\r
OTHER=${HOME}/x # and me\r
not a line of ours'\r
FLAG\r
EMPTY=   # a comment
MULTI='one
two' # end\r
'QUOTED'='v'#c\r
LAST=1"""


def test_others_stay_byte_for_byte():
    """Comments, order, exports, blanks, newlines and malformed lines stay as they were."""
    values = {
        "NEW": "n w",
        "DB_URL": "x y",
        "FLAG": "on",
        "EMPTY": "e",
        "MULTI": "m",
        "QUOTED": "q",
    }
    assert update("\ufeff" + EXISTING, values) == "\ufeff" + (
        "# the application\r\n\r\n"
        "  export DB_URL='x y'  # keep me\r\n"
        "OTHER=${HOME}/x # and me\r\n"
        "not a line of ours'\r\n"
        "FLAG=on\r\n"
        "EMPTY=e   # a comment\n"
        "MULTI=m # end\r\n"
        "'QUOTED'=q #c\r\n"
        "LAST=1\r\n"
        "NEW='n w'\r\n"
    )


def test_unchanged_values_keep_their_bytes():
    """A value that already loads equal is not requoted."""
    existing = "A=\"x\"\nB = it's # c\nC='a\\'b'"
    assert update(existing, {"A": "x", "B": "it's", "C": "a'b"}) == existing


def test_of_two_the_last_counts():
    """python-dotenv takes the last of two, so that one is replaced and the first stays."""
    assert update("A=1\nB=${A}\nA=2\n", {"A": "3"}) == "A=1\nB=${A}\nA=3\n"
    assert update("A=1\nA=2\n", {"A": "2"}) == "A=1\nA=2\n"


def test_a_value_built_from_a_replaced_one_is_written_out():
    """A wanted value stays right when the variable that it is built from changes."""
    assert update("A=1\nB=x${A}\n", {"A": "2", "B": "x1"}) == "A=2\nB=x1\n"


def test_a_value_that_the_environment_decides_is_written_out():
    """Equal by luck is not equal: what depends on a variable is replaced."""
    assert update("A=${PORT:-80}\n", {"A": "80"}) == "A=80\n"


@given(
    existing=st.lists(
        st.sampled_from(
            ["A=1", "export B='x y' # c", "# it's", "", 'C="a\nb"', "B=2", "D", "E=${A}", "?? x"]
        )
    ),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    end=st.booleans(),
    values=st.dictionaries(st.sampled_from("ABCDEF"), TEXTS | TRICKY),
)
def test_any_update_loads_back(existing, newline, end, values):
    """After an update the values load equal and every other line is still there."""
    text = newline.join(existing) + newline * end
    updated = update(text, values)
    assert {key: parse(updated)[key] for key in values} == values
    rest = [line for line in existing if not re.match(r"(export )?[A-F]\b", line)]
    kept = iter(re.split(r"\r\n|\n|\r", updated))
    assert all(line in kept for line in rest)
    assert update(updated, values) == updated


@pytest.mark.parametrize(
    "existing",
    ["K=vault:a/b#c", "K='vault:a/b#c'", "export K=x${vault:a#b}y", 'K=\'{"a": ["vault:a#b"]}\''],
)
def test_a_reference_is_not_frozen(existing):
    """A key whose value is a reference or template is refused by name."""
    with pytest.raises(ConfigurationError, match=r"^K: the existing file has a reference"):
        update(existing, {"K": "x"})


@pytest.mark.parametrize("value", ["vault:a#b", "vault::a", "x${vault:a#b}", '["vault:a#b"]'])
def test_a_value_does_not_become_a_reference(value):
    """A value that our own loader would resolve is refused by name."""
    with pytest.raises(ConfigurationError, match="K: the value reads like a reference") as caught:
        update("", {"K": value})
    assert value not in str(caught.value)


def test_another_spelling_is_refused():
    """pydantic-settings ignores case, so two spellings would be one key with two values."""
    with pytest.raises(ConfigurationError, match=r"line 3 .* has db_url, .* for DB_URL"):
        update("# x\n\ndb_url=1\n", {"DB_URL": "2"})


def test_an_open_quote_is_named_by_its_line():
    """Where a value would close a quote that was left open, nothing is changed."""
    with pytest.raises(ConfigurationError, match="line 3 of the existing file is malformed"):
        update("# x\n\nA='open\nB=2\n", {"NEW": "x y"})


def test_an_open_quote_that_does_no_harm_stays():
    """A malformed line is left alone where nothing that is written touches it."""
    assert update("A='open\nB=2\n", {"B": "3"}) == "A='open\nB=3\n"


def test_a_file_that_defines_our_variable_is_refused():
    """A quoted key may hold anything; a file with the name that we rely on is refused by name."""
    with pytest.raises(ConfigurationError, match=r"^K: .* does not load back equal"):
        update("'?-='=x\n", {"K": "${a}"})
    assert update("__=x\n", {"K": "${a}"}) == "__=x\nK='${?-=:-$}{a}'\n"


def test_verify_sees_a_change_of_another_key():
    """A text that changes what was there does not pass."""
    with pytest.raises(ConfigurationError, match="does not load back equal"):
        verify("A=1\nB=2\n", "A=1\nB=3\n", {"A": "1"})


def test_compare_tells_names_and_kinds_only():
    """Missing and changed keys are named; other keys of the file are nobody's business."""
    differences = compare("A=1\nB=2\nX=9\n", {"A": "1", "B": "canary", "C": "canary"})
    assert differences == [Difference("B", "changed"), Difference("C", "missing")]
    assert "canary" not in repr(differences)


@pytest.mark.parametrize("value", ["vault:a#b", "'x ${vault:a#b}'", """'["vault:a#b"]'"""])
def test_compare_tells_a_reference_from_a_value(value):
    """A key whose value is a reference or template is not said to be changed: it can't be."""
    assert compare(f"A={value}\nB=2\n", {"A": "1", "B": "2"}) == [Difference("A", "reference")]


def test_the_text_does_not_show_in_a_repr():
    """A traceback with locals shows a mask for the rendered text."""
    assert "canary" not in repr(update("", {"A": "canary"}))


def test_a_line_break_in_a_value_says_nothing_about_the_file():
    """New lines end as the file's own do, not as those in its values."""
    assert update("A='x\ny'\r\nB=1", {"C": "2"}) == "A='x\ny'\r\nB=1\r\nC=2\r\n"


def test_line_breaks_in_values_are_read_as_a_file_gives_them(file):
    """python-dotenv opens files with universal newlines, so a raw CRLF in quotes is a newline."""
    text = "A='x\r\ny'\r\nB=1\r\n"
    assert parse(text) == load(file, text) == {"A": "x\ny", "B": "1"}


def test_a_text_that_is_almost_json_is_held():
    """Looking for references in JSON survives nesting that is too deep."""
    text = "[" * 100_000
    assert parse(update("", {"K": text})) == {"K": text}
