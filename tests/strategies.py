"""What Hypothesis draws in our tests: references, templates, and texts that resemble them."""

import string
from itertools import pairwise

from hypothesis import strategies as st

from vaultconfig.references import Insert, Template, VaultRef
from vaultconfig.references.options import OPTIONS

names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
durations = st.floats(0.001, 36_500 * 86_400) | st.integers(1, 10**9).map(float)


def _segment_fits(segment: str) -> bool:
    return segment != "." and ".." not in segment


path_texts = st.text(string.ascii_letters + string.digits + "-_.@é%", min_size=1, max_size=12)
segments = path_texts.filter(_segment_fits)
placeholders = names.map("{{{}}}".format)
patterns = (
    st.lists(segments | placeholders | st.tuples(segments, placeholders).map("".join), min_size=1)
    .filter(lambda parts: len(parts) <= 10)
    .map("/".join)
    .filter(lambda path: len(path) <= 512 and ".." not in path)
)

keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda key: not key.startswith("/")
)


def escape_token(token: str) -> str:
    """Return *token* as it stands in a JSON Pointer."""
    return token.replace("~", "~0").replace("/", "~1")


pointers = st.lists(texts, min_size=1, max_size=4).map(
    lambda tokens: "".join(f"/{escape_token(token)}" for token in tokens)
)
fields = st.none() | keys | pointers


def references(fields: st.SearchStrategy[str | None] = fields) -> st.SearchStrategy[VaultRef]:
    """Draw references to one of *fields*."""
    return st.builds(
        lambda path, field, **options: VaultRef(
            f"vault:{path}" if field is None else f"vault:{path}#{field}", **options
        ),
        patterns,
        fields,
        version=st.none() | st.integers(1, 10**9 - 1),
        ttl=st.none() | durations,
        max_stale=st.none() | st.just(0.0) | durations,
        optional=st.none() | st.booleans(),
    )


inserts = st.builds(
    Insert,
    references(fields.filter(lambda field: field is None or not set("|}") & set(field))),
    st.booleans(),
)
literals = st.text(min_size=1) | st.sampled_from(
    ["${", "$${", "$", "{", "vault:", "vault::", "${vault:", "$${vault:a#b}", "vault:v1:", "}"]
)


def _can_be_written(parts: tuple[str | Insert, ...]) -> bool:
    """No two literals meet, and no dollar stands right before an insert."""
    return all(
        isinstance(right, Insert) if isinstance(left, str) else True
        for left, right in pairwise(parts)
    ) and not any(isinstance(left, str) and left.endswith("$") for left in parts[:-1])


templates = (
    st.lists(literals | inserts, max_size=6).map(tuple).filter(_can_be_written).map(Template)
)

# Texts that look so much like references that a parser gets far into them.
_TOKENS = [
    *["vault:", "${vault:", "$${", "${", "$", "{", "}", "{env}", "/", "a", ".", "..", ":", "v1:"],
    *["#", "?", "&", "=", *OPTIONS, "1", "9h"],
    *["|", "|urlquote", "~", "~0", " ", "\n", "\ud800"],
]
resembling = st.lists(st.sampled_from(_TOKENS) | st.text(max_size=3), max_size=20).map("".join)
