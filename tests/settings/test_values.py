"""References as the values that arguments, environment, `.env` and JSON in them hold."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, Json, SecretStr, ValidationError
from pydantic_settings import NoDecode

from tests.settings.loading import Asked, reasons, unresolved
from vaultconfig import VaultConfigDict, VaultSettings, provenance
from vaultconfig.devserver import DevServer
from vaultconfig.errors import InvalidReferenceError
from vaultconfig.vaults.shared import close_vaults


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "from vault", "host": "vault host", "port": 5432})
    vault_env.put("list", {"json": '["a", "b"]'})
    return vault_env


class Database(BaseModel):
    token: SecretStr
    host: str = "localhost"
    port: int = 1


class Settings(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    token: str | None = None
    port: int | None = None
    items: list[str] | None = None
    named: dict[str, Any] | None = None
    db: Database | None = None


def test_a_value_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference in a variable gives the field its value, of whatever type."""
    monkeypatch.setenv("TOKEN", "vault:app#token")
    monkeypatch.setenv("PORT", "vault:app#port")
    settings = Settings()
    assert (settings.token, settings.port) == ("from vault", 5432)
    assert provenance(settings)["token"].path == "app"


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_value_in_a_named_dotenv(env_file: Any, environment: str) -> None:
    """A reference in `.env` counts for plain fields wherever the file is read."""
    file = env_file("TOKEN='vault:app#token'\nDB='vault:app'\n")
    settings = Settings(_env_file=file, _vault_environment=environment)
    assert settings.token == "from vault"
    assert settings.db == Database(token=SecretStr("from vault"), host="vault host", port=5432)


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x://u:${PASSWORD}@h", None),
        ('{"a": ["x://u:${PASSWORD}@${HOST:-h}"]}', None),
        ("x://${PASSWORD_OF_NOBODY}@h", "x://@h"),
        ("http://${HOST}/${HOST}", "http://vault:8200/vault:8200"),
    ],
)
def test_a_reference_that_dotenv_expands(
    monkeypatch: pytest.MonkeyPatch, env_file: Any, text: str, value: str | None, exported: bool
) -> None:
    """Inside of another text it is an error, of the variable that it was expanded into."""

    class Urls(VaultSettings):
        password: str
        host: str = Field(validation_alias="HOST_NAME", default="")
        url: dict[str, Any] | str

    variables = {"PASSWORD": "vault:app#token", "HOST": "vault:8200"}
    for name, given in variables.items() if exported else ():
        monkeypatch.setenv(name, given)
    lines = [f'{name}="{given}"' for name, given in variables.items()] * (not exported)
    file = env_file("\n".join([*lines, f"URL='{text}'", ""]))
    if value is not None:
        assert Urls(_env_file=file).url == value
        return
    error = unresolved(lambda: Urls(_env_file=file))
    (failure,) = error.failures
    assert (failure.field.partition(".")[0], failure.variable) == ("url", "URL")
    assert "since the variable is a reference itself" in str(failure)


def test_a_reference_that_stands_twice_in_dotenv(env_file: Any) -> None:
    """Expanded as a whole it is what stands in the file anyway, and no mistake of either line."""

    class Twice(VaultSettings):
        token: str
        other: str

    file = env_file('TOKEN="vault:app#token"\nOTHER="${TOKEN}"\n')
    assert Twice(_env_file=file).model_dump() == dict.fromkeys(["token", "other"], "from vault")


def test_references_inside_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in a text that pydantic reads as JSON are resolved as those in any other JSON."""

    class Texts(VaultSettings):
        one: Json[Database]
        some: Json[list[Any]] | None

    db = '{"token": "vault:app#token", "host": "vault:{environment}/db#x", "port": 1}'
    monkeypatch.setenv("ONE", db.replace("{environment}/db#x", "app?optional#host"))
    monkeypatch.setenv("SOME", '["vault::a#b", {"vault:a#b": "x vault:a#b"}, "vault:app#port", 7]')
    settings = Texts()
    assert settings.one.token.get_secret_value() == "from vault"
    assert settings.one.host == "vault host"
    assert settings.some == ["vault:a#b", {"vault:a#b": "x vault:a#b"}, "5432", 7]
    monkeypatch.setenv("ONE", '{"token": "vault:a b"}')
    assert reasons(Texts) == {"one": "InvalidReferenceError"}


AWKWARD = 'x","host":"evil\\n"\n\\'


@pytest.mark.parametrize(
    "text",
    [
        '{"token": "${vault:odd#value}", "port": ${vault:app#port}}',
        '[{"token": "\\"${vault:odd#value}", "host": "h"}]',
        ' {"a\\\\": "b", "token": "${vault:app#token}${vault:odd#value}"}',
    ],
)
def test_a_value_inside_of_json(monkeypatch: pytest.MonkeyPatch, app: DevServer, text: str) -> None:
    """What the vault has stays in the string that it is inserted into, whatever it holds."""

    class Other(VaultSettings):
        plain: dict[str, Any] | list[Any]
        json_: Json[Any]
        optional: Json[Any] | None
        annotated: Annotated[dict[str, Any] | list[Any], text]
        written: str
        either: list[str] | str = ""

    app.put("odd", {"value": AWKWARD})
    for name in ("PLAIN", "JSON_", "OPTIONAL", "WRITTEN"):
        monkeypatch.setenv(name, text)
    settings = Other()
    parts = {"token": AWKWARD, "port": 5432}
    if text[0] == "[":
        parts = [{"token": f'"{AWKWARD}', "host": "h"}]
    elif text[0] == " ":
        parts = {"a\\": "b", "token": f"from vault{AWKWARD}"}
    values = (settings.plain, settings.json_, settings.optional, settings.annotated)
    assert values == (parts,) * 4
    assert AWKWARD in settings.written  # which is no JSON to us
    monkeypatch.setenv("EITHER", 'x "${vault:odd#value}"')
    assert Other().either == f'x "{AWKWARD}"'


def test_a_value_among_the_arguments() -> None:
    """A reference as an argument is resolved, and inside lists and dicts too."""
    named = {"a": ["vault:app#token", {"b": "x:${vault:app#host}"}], "c": 1}
    settings = Settings(token="vault:app#token", named=named, items=["plain", "vault:app#host"])
    assert settings.token == "from vault"
    assert settings.named == {"a": ["from vault", {"b": "x:vault host"}], "c": 1}
    assert settings.items == ["plain", "vault host"]
    assert named["a"] == ["vault:app#token", {"b": "x:${vault:app#host}"}]


def test_a_tuple_among_the_arguments() -> None:
    """Tuples are looked into like lists."""

    class Pair(VaultSettings):
        pair: tuple[str, ...]

    assert Pair(pair=("vault:app#host", "plain")).pair == ("vault host", "plain")


def test_values_inside_json_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """References stand inside the JSON of a variable as well."""
    monkeypatch.setenv("ITEMS", '["vault:app#token", "plain"]')
    monkeypatch.setenv("DB", '{"token": "vault:app#token", "host": "plain"}')
    settings = Settings()
    assert settings.items == ["from vault", "plain"]
    assert settings.db == Database(token=SecretStr("from vault"), host="plain")


def test_a_value_in_a_secrets_directory(tmp_path: Path) -> None:
    """Other sources may hold references too."""
    (tmp_path / "token").write_text("vault:app#token")
    assert Settings(_secrets_dir=tmp_path).token == "from vault"


def test_a_whole_object_for_a_complex_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """``DB=vault:…`` fills a nested model, which pydantic-settings would read as JSON."""
    monkeypatch.setenv("DB", "vault:app")
    monkeypatch.setenv("ITEMS", "vault:list#json")
    settings = Settings()
    assert settings.db == Database(token=SecretStr("from vault"), host="vault host", port=5432)
    assert settings.items == ["a", "b"]


def test_nested_variables_lie_over_a_whole_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """``DB__HOST`` is merged over ``DB=vault:…``, and may hold a reference itself."""
    monkeypatch.setenv("DB", "vault:app")
    monkeypatch.setenv("DB__HOST", "env host")
    monkeypatch.setenv("DB__TOKEN", "<${vault:app#token}>")
    settings = Settings()
    assert settings.db == Database(token=SecretStr("<from vault>"), host="env host", port=5432)


def test_json_texts_lie_over_each_other(app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret with the JSON of an object, and one with the JSON of a part of it, are merged."""

    class Outer(BaseModel):
        name: str
        db: Database

    class Nested(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="__")
        outer: Outer

    app.put("outer", {"json": '{"name": "n", "db": {"token": "hidden", "port": 7}}'})
    app.put("inner", {"json": '{"token": "from json", "host": "h"}'})
    monkeypatch.setenv("OUTER", "vault:outer#json")
    monkeypatch.setenv("OUTER__DB", "vault:inner#json")
    db = Database(token=SecretStr("from json"), host="h", port=7)
    assert Nested().outer == Outer(name="n", db=db)


def test_a_nested_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference in a nested variable fills the nested field."""
    monkeypatch.setenv("DB__TOKEN", "vault:app#token")
    db = Settings().db
    assert db == Database(token=SecretStr("from vault"))


def test_a_text_that_stands_for_none(app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """``env_parse_none_str`` counts for texts from the vault, nested ones too."""

    class Model(BaseModel):
        x: str | None = "default"
        deep: dict[str, Any] | None = None

    class Nested(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="__", env_parse_none_str="none")
        top: str | None = "default"
        model: Model = Model()

    app.put("absent", {"text": "none"})
    for name in ("TOP", "MODEL__X", "MODEL__DEEP__Z"):
        monkeypatch.setenv(name, "vault:absent#text")
    settings = Nested()
    assert (settings.top, settings.model) == (None, Model(x=None, deep={"z": None}))
    monkeypatch.delenv("MODEL__DEEP__Z")
    monkeypatch.setenv("MODEL__DEEP", "vault:absent#text")
    assert Nested().model.deep is None


def test_the_keys_of_a_secret_match_exactly(
    app: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``case_sensitive`` keys in a JSON text match in any case, those of a secret not."""
    app.put("case", {"TOKEN": "t", "Host": "h"})
    app.put("text", {"json": '{"TOKEN": "t", "Host": "h"}'})
    monkeypatch.setenv("DB", "vault:text#json")
    assert Settings().db == Database(token=SecretStr("t"), host="h")
    monkeypatch.setenv("DB", "vault:case")
    with pytest.raises(ValidationError, match=r"db\.token"):
        Settings()


def test_an_empty_text_is_given(app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """``env_ignore_empty`` ignores empty variables; a secret that is empty is a value."""

    class Ignoring(VaultSettings):
        model_config = VaultConfigDict(env_ignore_empty=True)
        token: str = "default"
        annotated: Annotated[str, "vault:empty#text"] = "default"

    app.put("empty", {"text": ""})
    monkeypatch.setenv("TOKEN", "vault:empty#text")
    settings = Ignoring()
    assert (settings.token, settings.annotated) == ("", "")


def test_a_template_as_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates stand as values like references."""
    monkeypatch.setenv("TOKEN", "a ${vault:app#token} b")
    assert Settings().token == "a from vault b"


def test_a_template_for_a_complex_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that is JSON once it is filled gives a complex field its value."""
    monkeypatch.setenv("ITEMS", '["${vault:app#host}", "x"]')
    assert Settings().items == ["vault host", "x"]


def test_all_references_join_one_batch(
    app: DevServer, asked: Asked, monkeypatch: pytest.MonkeyPatch, env_file: Any
) -> None:
    """Annotations, environment, `.env`, arguments and nested models: one request."""
    for name in ("a", "b", "c", "d", "e"):
        app.put(name, {"x": name})

    class Inner(BaseModel):
        e: Annotated[str, "vault:e#x"]

    class Everything(VaultSettings):
        a: Annotated[str, "vault:a#x"]
        b: str
        c: str
        d: str
        e: Inner

    monkeypatch.setenv("B", "vault:b#x")
    settings = Everything(d="vault:d#x", _env_file=env_file("C='vault:c#x'"))
    assert (settings.a, settings.b, settings.c, settings.d, settings.e.e) == tuple("abcde")
    assert asked() == [("POST", ("a", "b", "c", "d", "e"))]


def test_a_value_stands_above_the_annotation(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference in the environment wins over the one that the class has."""

    class Annotated_(VaultSettings):
        token: Annotated[str, "vault:gone#token"]

    monkeypatch.setenv("TOKEN", "vault:app#token")
    assert Annotated_().token == "from vault"
    assert asked() == [("GET", ("app",))]


class Declaring(VaultSettings):
    token: Annotated[str, "vault:app#token"] = "default"


def test_a_reference_in_dotenv_stands_below_the_annotation(
    app: DevServer, env_file: Any, development: None, caplog: pytest.LogCaptureFixture
) -> None:
    """In development what `.env` refers to stands in for what the vault lacks, and not else."""
    app.put("own", {"token": "own token"})
    env_file("TOKEN='vault:own#token'")
    assert Declaring().token == "from vault"
    env_file("TOKEN='vault:gone#token'")
    assert Declaring().token == "from vault"
    assert not caplog.records
    app.delete("app")
    close_vaults()
    assert Declaring().token == "default"
    env_file("TOKEN='vault:own#token'")
    assert Declaring().token == "own token"
    assert len(caplog.records) == 2


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_value_inside_an_annotated_object(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """A reference in the environment is laid over a part of an object from the vault."""

    class Whole(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="__")
        db: Annotated[Database, "vault:app"]

    monkeypatch.setenv("DB__HOST", "<${vault:app#token}>")
    db = Whole(_vault_environment=environment).db
    assert db == Database(token=SecretStr("from vault"), host="<from vault>", port=5432)


def test_references_that_fail_below_one_that_does_not(env_file: Any, development: None) -> None:
    """In development a bad reference in `.env` is no failure of a field that has its value."""

    class Required(VaultSettings):
        token: Annotated[str, "vault:app#token"]

    env_file("TOKEN='vault:gone#token'")
    assert Required().token == "from vault"


def test_the_annotation_s_failure_is_the_one_that_is_told(
    app: DevServer, env_file: Any, development: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the annotation and `.env` both lead nowhere, it is the annotation that has to work."""

    class Required(VaultSettings):
        token: Annotated[str, "vault:denied#token"]

    app.deny("denied")
    env_file("TOKEN='vault:gone?optional#token'")
    (failure,) = unresolved(Required).failures
    assert failure.reference == "vault:denied#token"

    class Defaulting(VaultSettings):
        token: Annotated[str, "vault:denied#token"] = "default"

    assert Defaulting().token == "default"
    assert "vault:denied#token" in caplog.text


def test_a_reference_to_a_whole_object_in_dotenv(
    app: DevServer, env_file: Any, development: None
) -> None:
    """It stands in for the annotation like any other, and is never taken for a value."""

    class Whole(VaultSettings):
        db: Annotated[Database | None, "vault:gone"] = None

    env_file("DB='vault:app'")
    assert Whole().db == Database(token=SecretStr("from vault"), host="vault host", port=5432)
    env_file("DB='vault:gone2'")
    assert Whole().db is None


def test_a_reference_in_dotenv_is_not_read_in_production(asked: Asked, env_file: Any) -> None:
    """There the annotation alone says where the value is."""
    assert Declaring(_env_file=env_file("TOKEN='vault:gone#token'")).token == "from vault"
    assert asked() == [("GET", ("app",))]


def test_a_reference_in_dotenv_does_not_stand_in_for_a_denied_one(
    app: DevServer, env_file: Any
) -> None:
    """With ``vault_fallback="always"`` a denied field is an error, whatever `.env` refers to."""

    class Always(Declaring):
        model_config = VaultConfigDict(vault_fallback="always")

    app.put("own", {"token": "own token"})
    app.deny("app")
    env_file("TOKEN='vault:own#token'")
    assert reasons(Always) == {"token": "AccessDeniedError"}


def test_what_is_shadowed_is_not_read(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, env_file: Any
) -> None:
    """A reference in `.env` under a value in the environment is never looked at."""
    monkeypatch.setenv("TOKEN", "plain")
    assert Settings(_env_file=env_file("TOKEN='vault:gone#x'")).token == "plain"
    assert not app.requests


def test_a_malformed_value_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is malformed is never passed on as a literal."""
    monkeypatch.setenv("TOKEN", "vault:/app#token")
    monkeypatch.setenv("DB__TOKEN", "${vault:app#token")
    error = unresolved(Settings)
    assert reasons(Settings) == {
        "token": "InvalidReferenceError",
        "db.token": "InvalidReferenceError",
    }
    assert {failure.variable for failure in error.failures} == {"TOKEN", "DB__TOKEN"}
    assert "TOKEN" in str(error)


def test_a_malformed_value_in_dotenv_names_the_variable(env_file: Any) -> None:
    """So does one that stands in `.env`."""
    error = unresolved(lambda: Settings(_env_file=env_file("TOKEN='vault:/app#token'\n")))
    assert [failure.variable for failure in error.failures] == ["TOKEN"]


def test_a_malformed_value_is_never_covered_up(
    monkeypatch: pytest.MonkeyPatch, development: None
) -> None:
    """In development, too, a mistake in what was given is an error, default or not."""
    monkeypatch.setenv("TOKEN", "vault:/app#token")
    assert isinstance(unresolved(Settings).failures[0].error, InvalidReferenceError)


def test_literals(monkeypatch: pytest.MonkeyPatch, app: DevServer) -> None:
    """``vault::`` is a literal ``vault:``, ``$${`` a literal ``${``; Transit text is left alone."""
    monkeypatch.setenv("TOKEN", "vault::app#token")
    named = {"a": "vault:v1:8SDd3WHDOjf7mq69", "b": "$${vault:x}", "c": "${HOME}", "d": "my vault:"}
    settings = Settings(named=named)
    assert settings.token == "vault:app#token"
    assert settings.named == named | {"b": "${vault:x}"}
    assert not app.requests


def test_a_strict_class_coerces_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits a field as it is, a path or bytes, is resolved under ``strict=True`` as well."""

    class Inner(BaseModel):
        path: Path

    class Strict(VaultSettings):
        model_config = VaultConfigDict(strict=True, env_nested_delimiter="__")
        secret: SecretStr
        raw: bytes
        template: bytes
        inner: Inner

    monkeypatch.setenv("SECRET", "vault:app#token")
    monkeypatch.setenv("RAW", "vault:app#token")
    monkeypatch.setenv("TEMPLATE", "at ${vault:app#host}")
    monkeypatch.setenv("INNER__PATH", "vault:app#host")
    settings = Strict()
    assert settings.secret == SecretStr("from vault")
    assert (settings.raw, settings.template) == (b"from vault", b"at vault host")
    assert settings.inner.path == Path("vault host")


def test_the_switch(monkeypatch: pytest.MonkeyPatch, app: DevServer) -> None:
    """With ``vault_resolve_values=False`` values are texts, annotations still count."""

    class Off(VaultSettings):
        model_config = VaultConfigDict(vault_resolve_values=False)
        annotated: Annotated[str, "vault:app#host"]
        token: str
        named: dict[str, str]

    monkeypatch.setenv("TOKEN", "vault:app#token")
    settings = Off(named={"x": "vault:app#token"})
    assert (settings.annotated, settings.token) == ("vault host", "vault:app#token")
    assert settings.named == {"x": "vault:app#token"}


def test_the_switch_holds_for_complex_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """With it off, a complex field takes JSON and nothing else, as in pydantic-settings."""

    class Off(VaultSettings):
        model_config = VaultConfigDict(vault_resolve_values=False)
        items: list[str]
        raw: Annotated[list[str] | str, NoDecode]

    monkeypatch.setenv("RAW", "vault:app#token")
    monkeypatch.setenv("ITEMS", '["vault:app#token"]')
    assert Off().items == ["vault:app#token"]
    assert Off().raw == "vault:app#token"
    monkeypatch.setenv("ITEMS", "vault:app#token")
    with pytest.raises(Exception, match="error parsing value for field") as caught:
        Off()
    assert type(caught.value).__name__ == "SettingsError"


def test_no_decode_takes_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that decodes its text itself takes a reference to a text."""

    class Undecoded(VaultSettings):
        items: Annotated[str | list[str], NoDecode]

    monkeypatch.setenv("ITEMS", "vault:list#json")
    assert Undecoded().items == '["a", "b"]'


def test_extras_are_resolved_where_they_are_kept(app: DevServer, env_file: Any) -> None:
    """Under ``extra="allow"`` keys without a field count; ignored ones are not looked at."""

    class Keeping(VaultSettings):
        model_config = VaultConfigDict(extra="allow")

    class Ignoring(VaultSettings):
        pass

    class Forbidding(VaultSettings):
        model_config = VaultConfigDict(extra="forbid")
        token: str

    assert Ignoring(more="vault:app#token").model_dump() == {}
    assert Ignoring(_env_file=env_file("MORE='vault:/wrong'")).model_dump() == {}
    assert not app.requests
    assert Keeping(more="vault:app#token").model_dump() == {"more": "from vault"}
    assert Forbidding(token="vault:app#token").token == "from vault"


def test_what_is_not_a_text_is_left_alone(app: DevServer) -> None:
    """Models and other objects given as arguments stay what they are, and nothing fills them."""
    db = Database(token=SecretStr("mine"), host="here")
    assert Settings(db=db).db is db
    assert not app.requests


def test_a_failing_value_inside_json_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that holds it among other things is found, too."""
    monkeypatch.setenv("ITEMS", '["vault:gone#token"]')
    (failure,) = unresolved(Settings).failures
    assert (failure.field, failure.variable) == ("items.0", "ITEMS")


def test_a_failing_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that fails is told with the variable that holds it."""
    monkeypatch.setenv("MY_TOKEN", "vault:gone#token")

    class Prefixed(VaultSettings):
        model_config = VaultConfigDict(env_prefix="MY_")
        token: str

    (failure,) = unresolved(Prefixed).failures
    assert (failure.field, failure.variable) == ("token", "MY_TOKEN")
    assert failure.reference == "vault:gone#token"
    assert "token in MY_TOKEN (vault:gone#token): there is no secret" in str(failure)


def test_options_in_values(app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions, ``optional`` and placeholders work in values as in annotations."""
    app.put("app", {"token": "newer"})
    app.put("environments/staging/app", {"token": "of staging"})
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "staging")
    monkeypatch.setenv("TOKEN", "vault:app?version=1#token")
    monkeypatch.setenv("PORT", "vault:gone?optional#port")
    monkeypatch.setenv("NAMED", '{"x": "vault:environments/{environment}/app#token"}')
    settings = Settings()
    assert (settings.token, settings.port) == ("from vault", None)
    assert settings.named == {"x": "of staging"}


class Deep(BaseModel):
    number: int = 0
    text: str = "t"


class Middle(BaseModel):
    deep: Deep | None = None


class Outermost(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    middle: Middle = Middle()
    deep: Deep | None = None


@pytest.mark.parametrize("first", ["DEEP", "DEEP__NUMBER"])
@pytest.mark.parametrize("prefix", ["", "MIDDLE__"])
def test_parts_of_an_object_at_any_depth(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, prefix: str, first: str
) -> None:
    """A part counts over the object that it is in, whichever stands first in the environment."""
    whole = {"number": 1, "text": "vault"}
    app.put("deep", {"object": whole, "null": None, "json": "null", "no": 7})

    def load(field: str) -> Outermost:
        values = {"DEEP": f"vault:deep#{field}", "DEEP__NUMBER": "5"}
        for name in sorted(values, key=lambda name: name != first):
            monkeypatch.delenv(prefix + name, raising=False)
            monkeypatch.setenv(prefix + name, values[name])
        return Outermost()

    def deep(settings: Outermost) -> Deep | None:
        return settings.middle.deep if prefix else settings.deep

    assert deep(load("object")) == Deep(number=5, text="vault")
    assert deep(load("null")) == deep(load("json")) == Deep(number=5)
    name = f"{prefix}deep".lower().replace("__", ".")
    assert provenance(load("null"))[f"{name}.number"].source == "environment"
    with pytest.raises(ValidationError, match="valid dictionary"):
        load("no")
