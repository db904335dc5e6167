"""What holds for every reference, template and text."""

from contextlib import suppress
from urllib.parse import quote, unquote

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests import strategies as ours
from vaultconfig import references
from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.references import Insert, Template, VaultRef
from vaultconfig.secret import Secret


@given(ours.references())
def test_a_reference_prints_and_parses_to_an_equal_one(reference: VaultRef) -> None:
    """`str` gives the canonical form: it parses back to an equal value, and prints the same."""
    again = references.parse(str(reference))
    assert again == reference
    assert hash(again) == hash(reference)
    assert str(again) == str(reference)


@given(ours.templates)
def test_a_template_prints_and_parses_to_an_equal_one(template: Template) -> None:
    """Literals are escaped so that the canonical form of a template means the same."""
    again = Template.parse(str(template))
    assert again == template
    assert str(again) == str(template)


@given(ours.templates)
def test_parse_tells_templates_from_literals(template: Template) -> None:
    """`parse` gives the template, or its text where no reference is in it."""
    assume("${vault:" in str(template))
    expected = template if template.references else "".join(map(str.__str__, template.parts))
    assert references.parse(str(template)) == expected


@given(ours.resembling | st.text())
@example("${vault:")
@example("vault::${vault:a}")
@example("vault:v1:${vault:")
def test_any_text_parses_or_is_an_invalid_reference(text: str) -> None:
    """Nothing but an `InvalidReferenceError` with a column inside the text comes out."""
    try:
        meaning = references.parse(text)
    except InvalidReferenceError as caught:
        error = caught
    else:
        assert references.is_reference(text) == (meaning != text)
        assert isinstance(meaning, str) or references.parse(str(meaning)) == meaning
        return
    assert references.is_reference(text)
    assert 1 <= error.column <= len(text) + 1
    assert error.reference == text


@given(ours.resembling)
def test_any_text_is_a_template_or_an_invalid_one(text: str) -> None:
    """`Template.parse` and `VaultRef.parse` raise nothing else either."""
    with suppress(InvalidReferenceError):
        template = Template.parse(text)
        assert Template.parse(str(template)) == template
    with suppress(InvalidReferenceError):
        assert str(VaultRef.parse(text)).startswith("vault:")


@given(ours.templates, st.data())
def test_a_template_inserts_exactly(template: Template, data: st.DataObject) -> None:
    """What is rendered is the literals and the values in turn, however odd they look."""
    values = [data.draw(ours.literals | st.text()) for _ in template.references]
    expected, following = "", iter(values)
    for part in template.parts:
        if isinstance(part, Insert):
            value = next(following)
            expected += quote(value, safe="") if part.urlquote else value
        else:
            expected += part
    assert template.render(values) == expected


@given(st.text())
def test_urlquote_is_undone_by_unquoting(value: str) -> None:
    """A quoted value holds nothing that means something in a URL, and comes back whole."""
    quoted = Template.parse("${vault:a#b|urlquote}").render([value])
    assert not set(quoted) & set("/:@?#[]!$&'()*+,;= ")
    assert unquote(quoted) == value


@given(st.text())
def test_any_literal_can_be_written(literal: str) -> None:
    """Escaping a text and parsing it gives it back."""
    assert Template.parse(str(Template((literal,)))).render([]) == literal


@given(ours.references(), st.dictionaries(ours.names, ours.segments | st.text()))
def test_filling_gives_a_reference_that_can_be_written(
    reference: VaultRef, variables: dict[str, str]
) -> None:
    """Whatever is filled in, the result is a reference without placeholders, or an error."""
    try:
        filled = reference.fill(variables)
    except ConfigurationError:
        return
    assert not filled.placeholders
    assert filled.path.count("/") == reference.path.count("/")
    assert VaultRef.parse(str(filled)) == filled


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ours.texts, inner, max_size=3),
)


@given(st.dictionaries(ours.texts, json_values), st.data())
def test_a_pointer_reaches_everything(tree: dict[str, object], data: st.DataObject) -> None:
    """Each place in the data has a JSON Pointer, and `pick` follows it."""
    node: object = tree
    pointer = ""
    while isinstance(node, (dict, list)) and node:
        token = data.draw(
            st.sampled_from(list(node) if isinstance(node, dict) else range(len(node)))
        )
        node = node[token]
        pointer += f"/{ours.escape_token(str(token))}"
        assert references.pick(Secret("a", 1, tree), pointer) is node
