"""What a load that fails says: all at once, each in its own words, and never a value."""

import json
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    IPvAnyAddress,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from tests.settings.loading import reasons, unresolved
from vaultconfig import VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    FieldNotFoundError,
    InvalidReferenceError,
    RateLimitedError,
    ResponseError,
    SecretNotFoundError,
    SettingFailure,
    UnresolvedSettingsError,
    VaultUnavailableError,
)

CANARY = "canary-7f3a9c"


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": CANARY, "number": f"not a number {CANARY}", "short": "xy"})
    vault_env.deny("denied/**")
    return vault_env


class FourMistakes(VaultSettings):
    good: Annotated[str, "vault:app#token"]
    missing: Annotated[str, "vault:gone#token"]
    field: Annotated[str, "vault:app#tokne"]
    denied: Annotated[SecretStr, "vault:denied/db#password"]
    variable: str = "x"


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> UnresolvedSettingsError:
    monkeypatch.setenv("VARIABLE", "vault:app?versoin=1#token")
    return unresolved(FourMistakes)


def test_four_mistakes_in_one_error(four: UnresolvedSettingsError) -> None:
    """A missing secret, a missing field, a denied path, a malformed variable: each in its words."""
    told = str(four).splitlines()
    assert told[0] == "4 settings could not be resolved:"
    assert "missing (vault:gone#token): there is no secret at gone" in told[1]
    assert "[request req_" in told[1]
    assert (
        "field (vault:app#tokne): app has no field 'tokne': it has number, short, token" in told[2]
    )
    assert "denied (vault:denied/db#password): the vault denies access to denied/db" in told[3]
    assert "[request req_" in told[3]
    assert "variable in VARIABLE: invalid reference 'vault:app?v…': column 11: expected" in told[4]
    assert [type(failure.error) for failure in four.failures] == [
        SecretNotFoundError,
        FieldNotFoundError,
        AccessDeniedError,
        InvalidReferenceError,
    ]


def test_the_group_can_be_taken_apart(four: UnresolvedSettingsError) -> None:
    """``except*``, ``split`` and ``derive`` keep types and fields; it can be pickled."""
    denied, rest = four.split(AccessDeniedError)
    assert isinstance(denied, UnresolvedSettingsError)
    assert [failure.field for failure in denied.failures] == ["denied"]
    assert rest is not None
    assert len(rest.failures) == 3
    assert str(pickle.loads(pickle.dumps(four))) == str(four)
    caught = []
    try:
        raise four
    except* SecretNotFoundError as group:
        caught.append([failure.field for failure in group.failures])
    except* Exception as group:
        caught.append([failure.field for failure in group.failures])
    assert caught == [["missing"], ["field", "denied", "variable"]]


def test_one_failure_comes_in_the_group_too() -> None:
    """What fails for one setting is always in the group."""

    class One(VaultSettings):
        missing: Annotated[str, "vault:gone#token"]

    assert str(unresolved(One)).startswith("1 setting could not be resolved:\n  missing ")


def test_two_fields_of_one_secret_fail_each_for_itself() -> None:
    """An error of its own for each, so that a group can be split between them."""

    class Two(VaultSettings):
        one: Annotated[str, "vault:gone#a"]
        two: Annotated[str, "vault:gone#b"]

    error = unresolved(Two)
    first = error.exceptions[0]
    kept, _ = error.split(lambda other: other is first)
    assert isinstance(kept, UnresolvedSettingsError)
    assert [failure.field for failure in kept.failures] == ["one"]


def test_nested_fields_are_dotted() -> None:
    """A failure is named as one would write it in Python."""

    class Db(BaseModel):
        password: Annotated[str, "vault:gone#password"]

    class Nested(VaultSettings):
        db: Db

    assert reasons(Nested) == {"db.password": "SecretNotFoundError"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"code": "token_invalid"}, AuthenticationError),
        ({"code": "token_expired"}, AuthenticationError),
        ({"status": 401, "body": "no"}, VaultUnavailableError),
        ({"status": 403, "body": "no"}, VaultUnavailableError),
        ({"status": 404, "body": "no"}, VaultUnavailableError),
        ({"garbage": True}, ResponseError),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, ResponseError),
        ({"status": 503, "body": "<html>"}, VaultUnavailableError),
        ({"drop": True}, VaultUnavailableError),
        ({"truncate": True}, VaultUnavailableError),
        ({"code": "rate_limited", "retry_after": 60}, RateLimitedError),
    ],
)
@pytest.mark.usefixtures("few_tries")
def test_what_fails_for_the_whole_request_comes_bare(
    app: DevServer, fault: dict[str, Any], error: type[Exception]
) -> None:
    """No group where nothing is about one setting."""
    app.put("other", {"x": "y"})
    app.fault(**fault)

    class Two(VaultSettings):
        one: Annotated[str, "vault:app#token"]
        two: Annotated[str, "vault:other#x"]

    with pytest.raises(error) as caught:
        Two()
    assert type(caught.value) is error


def test_no_credentials_come_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ours to fix for all settings together is one sentence."""
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    with pytest.raises(ConfigurationError, match="set SCAIVAULT_TOKEN"):
        FourMistakes()


def everything_in(error: BaseException) -> str:
    """Return all that an error tells, and everything that hangs on it."""
    told = [repr(error), str(error), *traceback.format_exception(error)]
    if isinstance(error, ValidationError):
        told += [repr(error.errors()), error.json()]
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    told += frames.format()
    for other in (error.__cause__, error.__context__):
        if other is not None:
            told.append(everything_in(other))
    if isinstance(error, BaseExceptionGroup):
        told += map(everything_in, error.exceptions)
    return "\n".join(told)


def test_the_group_holds_no_value(four: UnresolvedSettingsError) -> None:
    """No part of an error, nor the frames it passed, shows what the vault gave."""
    assert CANARY not in everything_in(four)


def in_words(value: str) -> str:
    raise ValueError(f"I don't like {value}")


class Wrong(VaultSettings):
    number: Annotated[int, "vault:app#number"]
    plain: int


def test_pydantic_s_own_report() -> None:
    """A value of the wrong type beside a missing field: types, places and messages are there."""
    with pytest.raises(ValidationError) as caught:
        Wrong()
    lines = [(line["type"], line["loc"], line["msg"]) for line in caught.value.errors()]
    assert lines == [
        (
            "int_parsing",
            ("number",),
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        ("missing", ("plain",), "Field required"),
    ]
    assert caught.value.title == "Wrong"
    assert caught.value.error_count() == 2
    assert CANARY not in everything_in(caught.value)


class Inner(BaseModel):
    token: str
    number: str
    needed: int

    @model_validator(mode="after")
    def check(self) -> "Inner":
        raise ValueError(f"{self.token} is no good")


class InnerSettings(VaultSettings):
    token: Annotated[str, "vault:app#token", AfterValidator(in_words)]


AWKWARD: dict[str, tuple[Any, Any]] = {
    "a validator's words": (Annotated[str, "vault:app#token", AfterValidator(in_words)], ...),
    "words under a constraint": (
        Annotated[str, "vault:app#token", StringConstraints(max_length=3)],
        ...,
    ),
    "a custom type": (Annotated[IPvAnyAddress, "vault:app#token"], ...),
    "a literal": (Annotated[Literal["a", "b"], "vault:app#token"], ...),
    "an object": (Annotated[Inner, "vault:app"], ...),
    "a mapping": (Annotated[dict[str, int], "vault:app"], ...),
    "a list": (Annotated[list[int], '["${vault:app#token}"]'], ...),
    "a union": (Annotated[int | bool | IPvAnyAddress, "vault:app#token"], ...),
    "a secret": (Annotated[SecretStr, "vault:app#token", Field(max_length=2)], ...),
    "nested settings": (InnerSettings, ...),
}


@pytest.mark.parametrize("kind", AWKWARD)
def test_validation_errors_hold_no_value(kind: str) -> None:
    """Whatever the field is, and whatever its validator says, no value gets out."""
    annotation, _ = AWKWARD[kind]
    model = type("Model", (VaultSettings,), {"__annotations__": {"field": annotation}})
    with pytest.raises(ValidationError) as caught:
        model()
    assert CANARY not in everything_in(caught.value)
    assert caught.value.errors()[0]["loc"][0] == "field"
    json.loads(caught.value.json())


def test_a_quoting_message_is_replaced_by_a_note() -> None:
    """The place and the type of a mistake stay; the message says that it was withheld."""

    class Quoting(VaultSettings):
        token: Annotated[str, "vault:app#token", AfterValidator(in_words)]
        other: Annotated[str, AfterValidator(in_words)] = "a plain text"

    with pytest.raises(ValidationError) as caught:
        Quoting(other="a plain text")
    quoting, plain = caught.value.errors()
    assert (quoting["type"], quoting["loc"]) == ("value_error", ("token",))
    assert "withheld" in quoting["msg"]
    assert plain["msg"] == "Value error, I don't like a plain text"


@pytest.mark.parametrize("change", [str.upper, str.lower, str.swapcase, str.title])
def test_a_message_in_another_case_quotes_too(change: Callable[[str], str]) -> None:
    """Whether a validator has changed upper and lower case makes no difference."""

    def complain(value: str) -> str:
        raise ValueError(f"{change(value)!r} is no good")

    class Quoting(VaultSettings):
        token: Annotated[str, "vault:app#token", AfterValidator(complain)]

    with pytest.raises(ValidationError, match="withheld") as caught:
        Quoting()
    assert CANARY.casefold() not in str(caught.value).casefold()


def test_a_missing_sibling_shows_nothing() -> None:
    """Pydantic prints the whole input beside a missing field; we don't."""

    class Sibling(BaseModel):
        token: str
        needed: int

    class Model(VaultSettings):
        inner: Annotated[Sibling, "vault:app"]

    with pytest.raises(ValidationError, match="Field required") as caught:
        Model()
    assert caught.value.errors()[0]["loc"] == ("inner", "needed")
    assert CANARY not in everything_in(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda model: model.model_validate({}),
        lambda model: model.model_validate_json("{}"),
        lambda model: TypeAdapter(list[model]).validate_python([{}]),
        lambda model: TypeAdapter(model).validate_python({}),
        lambda model: type(
            "Holder", (BaseModel,), {"__annotations__": {"inner": model}, "__module__": __name__}
        )(inner={}),
    ],
    ids=["model_validate", "json", "list", "adapter", "inside a model"],
)
def test_every_way_in_is_covered(build: Any) -> None:
    """``model_validate``, TypeAdapter and models around it leak no more than the constructor."""

    class Model(VaultSettings):
        number: Annotated[int, "vault:app#number"]
        token: Annotated[str, "vault:app#token", AfterValidator(in_words)]
        plain: int

    with pytest.raises(ValidationError) as caught:
        build(Model)
    assert CANARY not in everything_in(caught.value)
    assert {line["loc"][-1] for line in caught.value.errors()} == {"number", "token", "plain"}


def test_a_validator_of_the_class_may_quote() -> None:
    """Model validators run inside the same rule."""

    class Model(VaultSettings):
        token: Annotated[str, "vault:app#token"]

        @model_validator(mode="after")
        def check(self) -> "Model":
            raise ValueError(f"bad: {self.token}")

    with pytest.raises(ValidationError, match="withheld") as caught:
        Model()
    assert CANARY not in everything_in(caught.value)


def test_a_key_that_quotes_a_value_is_withheld() -> None:
    """Keys of a mapping are part of the place, and may be secret as well."""

    class Model(VaultSettings):
        named: Annotated[dict[str, int], '{"${vault:app#token}": "x"}']

    with pytest.raises(ValidationError) as caught:
        Model()
    assert CANARY not in everything_in(caught.value)


def test_a_short_value_hides_only_itself() -> None:
    """A value of two letters does not blank every message that has them somewhere."""

    class Model(VaultSettings):
        short: Annotated[str, "vault:app#short"]
        plain: Annotated[str, AfterValidator(in_words)]

        @field_validator("short")
        @classmethod
        def check(cls, value: str) -> str:
            raise ValueError(f"{value} is too short")

    with pytest.raises(ValidationError) as caught:
        Model(plain="proxyxyz")
    short, plain = (line["msg"] for line in caught.value.errors())
    assert "withheld" in short
    assert plain == "Value error, I don't like proxyxyz"


def test_an_error_that_is_no_value_error_passes() -> None:
    """What a validator raises on purpose is not ours to translate."""

    def explode(value: str) -> str:
        raise ZeroDivisionError

    class Model(VaultSettings):
        token: Annotated[str, "vault:app#token", AfterValidator(explode)]

    with pytest.raises(ZeroDivisionError):
        Model()


UNCAUGHT = """
import logging, sys, threading, traceback
from vaultconfig.errors import *

def fail():
    missing = SettingFailure("gone", "vault:a#x", SecretNotFoundError("a"))
    denied = SettingFailure("token", None, AccessDeniedError("b"), "TOKEN")
    raise UnresolvedSettingsError([missing, denied], hint="do this")

if sys.argv[1] == "thread":
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
elif sys.argv[1] == "log":
    try:
        fail()
    except VaultConfigError:
        logging.exception("failed")
else:
    fail()
"""


@pytest.mark.parametrize("way", ["main", "thread", "log"])
def test_a_traceback_has_each_failure_once(way: str) -> None:
    """Uncaught or logged, with the setting that it is about."""
    command = [sys.executable, "-c", UNCAUGHT, way]
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    told = done.stderr
    assert told.count("there is no secret at a: create it") == 1
    assert told.count("the vault denies access to b") == 1
    assert "2 settings could not be resolved: gone, token; do this\n" in told
    assert "| gone (vault:a#x)\n" in told
    assert "| token in TOKEN\n" in told


def test_parts_of_a_group_name_each_setting_once() -> None:
    """``split`` and pickling add nothing to the errors."""
    failure = SettingFailure("gone", "vault:a#x", SecretNotFoundError("a"))
    group = UnresolvedSettingsError([failure, SettingFailure("b", None, AccessDeniedError("b"))])
    found, rest = group.split(SecretNotFoundError)
    assert isinstance(found, UnresolvedSettingsError)
    assert isinstance(rest, UnresolvedSettingsError)
    assert str(found) == (
        "1 setting could not be resolved:\n"
        "  gone (vault:a#x): there is no secret at a: create it, or correct the path"
    )
    again = pickle.loads(pickle.dumps(found))
    assert again.exceptions[0].__notes__ == failure.error.__notes__ == ["gone (vault:a#x)"]
