"""Templates, literals, and what a text means."""

from time import process_time

import pytest

from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.references import Insert, Template, VaultRef, is_reference, parse
from vaultconfig.references.options import ANY
from vaultconfig.references.template import expanded_in, without_quotes

USER, PASSWORD = Insert(VaultRef("vault:a/b#user")), Insert(VaultRef("vault:a/b#pass"), True)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("${vault:a/b#user}", (USER,)),
        ("${vault:a/b#user}${vault:a/b#pass|urlquote}", (USER, PASSWORD)),
        ("x://${vault:a/b#user}:${vault:a/b#pass|urlquote}@h", ("x://", USER, ":", PASSWORD, "@h")),
        ("$${vault:a/b#user} ${vault:a/b#user}", ("${vault:a/b#user} ", USER)),
        ("$$${vault:a/b#user}${vault:a/b#user}", ("$${vault:a/b#user}", USER)),
        ("${HOME}$${HOME}$HOME$$ ${vault:a/b#user}", ("${HOME}${HOME}$HOME$$ ", USER)),
        ("vault::${vault:a/b#user}", ("vault:", USER)),
        ("a::b ${vault:a/b#user}", ("a::b ", USER)),
        (" ${vault:a/b#user}", (" ", USER)),
        ("vault::vault::${vault:a/b#user}vault::", ("vault:vault::", USER, "vault::")),
        ("${vault:a/b#user}vault:x", (USER, "vault:x")),
        ("{}|#?${vault:a/b#user}}", ("{}|#?", USER, "}")),
        (
            "${vault:environments/{environment}/db#user}",
            (Insert(VaultRef("vault:environments/{environment}/db#user")),),
        ),
        (
            "${vault:{e}?version=2&optional|urlquote}",
            (Insert(VaultRef("vault:{e}?version=2&optional"), True),),
        ),
        ("${vault:a#{b$ ?&=#}", (Insert(VaultRef("vault:a#{b$ ?&=#")),)),
    ],
)
def test_a_template_is_read(text: str, parts: tuple[str | Insert, ...]) -> None:
    """References in braces are inserted, and all else is literal."""
    template = parse(text)
    assert isinstance(template, Template)
    assert template.parts == parts


@pytest.mark.parametrize(
    "text",
    [
        *["", "a", "$", "${HOME}", "$${HOME}", "${", "a vault:b", "Vault:a", "vault"],
        *["${ vault:a}", "vault:v1:aGVsbG8=", "vault:v23:${vault:x"],
        *["${VAULT:-a/b#c}", "$${VAULT:a/b#c}", "Vault: a/b#c", "VAULT://a/b#c", "a Vault:a/b#c"],
    ],
)
def test_what_is_not_ours_is_left_alone(text: str) -> None:
    """A text without a reference, and Transit ciphertext, mean themselves, untouched."""
    assert not is_reference(text)
    assert parse(text) is text


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("vault::", "vault:"),
        ("vault::a/b#c", "vault:a/b#c"),
        ("vault:::a", "vault::a"),
        ("vault::a::b", "vault:a::b"),
        ("vault::v1:a", "vault:v1:a"),
        ("vault::$${HOME}", "vault:$${HOME}"),
        ("$${vault:a#b}", "${vault:a#b}"),
        ("$$${vault:a#b} $${HOME}", "$${vault:a#b} ${HOME}"),
        ("vault::$${vault:a#b}", "vault:${vault:a#b}"),
    ],
)
def test_what_looks_like_ours_can_be_written_as_a_literal(text: str, literal: str) -> None:
    """`vault::` stands for a literal `vault:`, and `$${` for a literal `${`."""
    assert is_reference(text)
    assert parse(text) == literal


def test_a_reference_is_told_from_a_template() -> None:
    """A text that begins with `vault:` is a reference as a whole."""
    assert parse("vault:a#${vault:b#c}") == VaultRef("vault:a#${vault:b#c}")


CHARACTER = "a character of a path, '?', '#' or the end"
UNENDED = "a '}' somewhere after this '${'"


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("x ${vault:", 3, UNENDED),
        ("x ${vault:a", 3, UNENDED),
        ("x ${vault:a/{b}", 3, UNENDED),
        ("x ${vault:a/{b", 13, "a placeholder such as {environment}"),
        ("x ${vault:a#", 3, UNENDED),
        ("x ${vault:a#b and more", 3, UNENDED),
        ("x ${vault:a?", 3, UNENDED),
        ("x ${vault:a?ttl=5", 3, UNENDED),
        ("x ${vault:a|", 3, UNENDED),
        ("x ${vault:a|urlquote", 3, UNENDED),
        ("${vault:a#b} ${vault:c#d", 14, UNENDED),
        ("${vault:}", 9, "a path segment: a path has no leading, trailing or double slash"),
        ("${vault:a/}", 11, "a path segment: a path has no leading, trailing or double slash"),
        ("${vault:a b}", 10, CHARACTER),
        ("${vault::a}", 9, CHARACTER),
        ("${vault:${vault:a}}", 9, CHARACTER),
        ("${vault:a#}", 11, "a field after '#'"),
        ("${vault:a#|urlquote}", 11, "a field after '#'"),
        ("${vault:a#b\nc}", 12, "a field without control characters"),
        ("${vault:a#/~}", 12, "'~0' or '~1'"),
        ("${vault:a?ttl=0}", 15, "a duration above 0, such as 90, 5m, 12h or 7d"),
        ("${vault:a?}", 11, ANY),
        ("${vault:a?x|urlquote}", 11, ANY),
        ("${vault:a|upper}", 11, "'urlquote'"),
        ("${vault:a| urlquote}", 11, "'urlquote'"),
        ("${vault:a|}", 11, "'urlquote'"),
        ("${vault:a|urlquote2}", 19, "'}'"),
        ("${vault:a|urlquote|urlquote}", 19, "'}'"),
        ("vault:a ${vault:b#c}", 8, CHARACTER),
    ],
)
def test_a_mistake_is_shown_with_its_column(text: str, column: int, expected: str) -> None:
    """The column counts in the whole text; what has no end is shown at its beginning."""
    with pytest.raises(InvalidReferenceError) as caught:
        parse(text)
    assert (caught.value.column, caught.value.expected) == (column, expected)
    assert caught.value.reference == text


def test_a_reference_is_not_a_template() -> None:
    """Whoever asks for a template of a reference is told what is the matter."""
    with pytest.raises(InvalidReferenceError, match="column 1: expected a template"):
        Template.parse("vault:a#b")


def test_the_canonical_form_escapes_literals() -> None:
    """A literal `${` prints as `$${`, and a leading `vault:` as `vault::`."""
    text = "vault::${HOME} ${vault:a?ttl=60s#b}"
    assert str(parse(text)) == "vault::$${HOME} ${vault:a?ttl=1m#b}"


def test_a_value_is_inserted_as_it_is_or_percent_encoded() -> None:
    """Only `|urlquote` changes a value, and a slash is encoded too."""
    template = Template.parse("x://${vault:a#b}:${vault:a#b|urlquote}@h")
    assert template.render(["p/%é", "p/%é"]) == "x://p/%é:p%2F%25%C3%A9@h"
    assert Template.parse("${vault:a#b|urlquote}").render(["\ud800"]) == "%ED%A0%80"


def test_what_is_inserted_is_not_read_again() -> None:
    """A value that looks like a reference or an escape stays what it is."""
    template = Template.parse("${vault:a#b}")
    for value in ["${vault:c#d}", "$${", "vault:c#d", "vault::", "{environment}", "|urlquote"]:
        assert template.render([value]) == value


def test_the_placeholders_of_all_references_are_filled() -> None:
    """Literal braces are no placeholders."""
    template = Template.parse("{r}${vault:{e}/{r}#x|urlquote}${vault:{e}/c#{r}")
    assert template.placeholders == ("e", "r")
    assert template.references == (VaultRef("vault:{e}/{r}#x"), VaultRef("vault:{e}/c#{r"))
    filled = template.fill({"e": "prod", "r": "eu"})
    assert str(filled) == "{r}${vault:prod/eu#x|urlquote}${vault:prod/c#{r}"
    with pytest.raises(ConfigurationError, match=r"{r} in {e}/{r}: nothing gives it"):
        template.fill({"e": "prod"})


@pytest.mark.parametrize(
    ("text", "values", "rendered"),
    [
        ('{"a": "${vault:a#b}"}', ['"é\n'], '{"a": "\\"\\u00e9\\n"}'),
        ('["x${vault:a#b}y", ${vault:a#b}]', ['"', "[1]"], '["x\\"y", [1]]'),
        ('["\\"${vault:a#b}", "${vault:a#b}${vault:a#b}"]', ['"', "2", '"'], '["\\"\\"", "2\\""]'),
        ('["\\\\", ${vault:a#b}, "${vault:a#b|urlquote}"]', ["3", '"'], '["\\\\", 3, "%22"]'),
    ],
)
def test_a_value_inside_of_a_json_string(text: str, values: list[str], rendered: str) -> None:
    """It is escaped there, and nowhere else; nor is it where the text is not read as JSON."""
    template = Template.parse(text)
    assert template.is_like_json
    assert template.render(values, as_json=True) == rendered
    assert '"' in template.render(['"'] * len(values))
    assert template.render(["\n"] * len(values)).count("\\n") == 0


@pytest.mark.parametrize(
    ("text", "is_like_json"),
    [
        *[("{${vault:a#b}", True), ("\n [${vault:a#b}", True), ("x{${vault:a#b}", False)],
        *[("${vault:a#b}{", False), ("$${vault:a}${vault:a#b}", False)],
    ],
)
def test_what_begins_as_json_does(text: str, is_like_json: bool) -> None:
    """An insert may be anything."""
    assert Template.parse(text).is_like_json is is_like_json
    assert not Template(()).is_like_json


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('"vault:a#b"', 2),
        ("' vault:a#b'", 3),
        (" vault:a#b", 2),
        ("“vault:a#b”", 2),
        ('"${vault:a#b}"', 4),
        ("'x ${vault:a#b}'", 6),
        ("\ufeffvault:a#b", 2),
        ("\xa0vault:a#b", 2),
    ],
)
def test_a_reference_in_quotes_is_an_error(text: str, column: int) -> None:
    """Quotes and blanks that a parser has left around it are not part of it."""
    with pytest.raises(InvalidReferenceError, match="without quotes or blanks around it") as caught:
        parse(text)
    assert (caught.value.reference, caught.value.column) == (text, column)


@pytest.mark.parametrize(
    ("text", "shown", "column"),
    [
        ("Vault:a#b", "Vault:a#", 1),
        ("VAULT:a/b", "VAULT:a/", 1),
        ("secret ${ vault:a#b}", "${ vault", 4),
        ("${vault:a#b} secret ${Vault:a/b|urlquote}", "${Vault:", 3),
        ("$${vault:a#b}${\tVAULT:{environment}#b}", "${\tVAULT", 4),
    ],
)
def test_a_reference_that_begins_wrongly_is_an_error(text: str, shown: str, column: int) -> None:
    """The case of letters, or a blank in braces, does not make a literal of it."""
    assert is_reference(text)
    with pytest.raises(InvalidReferenceError, match="'vault:' in lower case and with") as caught:
        parse(text)
    assert caught.value.column == column
    assert f"invalid reference {shown!r}"[:-1] in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "bare"),
    [('"a"', "a"), ("'a'", "a"), (' "a"\n', "a"), ("\"'a'\"", "a"), ('""', "")]
    + [(text, text) for text in ["", '"', '"a', 'a"', "\"a'", '"a"b"', "xax", " a "]],
)
def test_quotes_around_a_text(text: str, bare: str) -> None:
    """A pair of the same quotes around all of it goes, and so does a pair inside of that."""
    assert without_quotes(text) == bare


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a ${HOST:-canary}", "${HOST}"), ("${vault:a}${B}", "${B}"), ("$HOST", "${…}")],
)
def test_what_dotenv_expands_is_shown_without_its_default(text: str, shown: str) -> None:
    """The default behind a variable's name may be secret."""
    assert expanded_in(text) == shown


def _ten_million(text: str) -> str:
    return text * (10_000_000 // len(text))


@pytest.mark.parametrize(
    "text",
    [
        _ten_million("${"),
        _ten_million("$"),
        _ten_million("${vault:"),
        _ten_million("$${vault:"),
        _ten_million("${") + "${vault:a#b}",
        _ten_million("$${") + "${vault:a#b}",
        "vault:" + _ten_million("{"),
        "vault:" + _ten_million("{a"),
        "vault:" + _ten_million("{a}"),
        "vault:{" + _ten_million("a"),
        "vault:" + _ten_million("a"),
        "vault:" + _ten_million("/"),
        "vault:a?" + _ten_million("ttl=1&"),
        "vault:a?ttl=" + _ten_million("1"),
        "vault:a#" + _ten_million("~"),
        "vault:a#/" + _ten_million("~"),
        "vault:" + _ten_million(":"),
        "${vault:" + _ten_million("a"),
        "${vault:a#" + _ten_million("{"),
        "${vault:a#b|" + _ten_million("|urlquote"),
    ],
    ids=lambda text: text[:14],
)
def test_a_long_text_takes_no_time(text: str) -> None:
    """10 MB of anything are read in well under a second, and do not end up in an error."""
    start, shown = process_time(), ""
    try:
        parse(text)
    except InvalidReferenceError as error:
        shown = str(error)
    assert process_time() - start < 0.9
    assert len(shown) < 400
