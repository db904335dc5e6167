"""What `check` tells although nothing fails: variables and files that nothing reads, open types."""

from __future__ import annotations

import pytest

from tests.cli.conftest import CANARY, Project
from tests.cli.test_check import findings
from vaultconfig.cli.checking.findings import Problem
from vaultconfig.devserver import DevServer

NESTED = "class Database(BaseModel):\n    host: str = 'localhost'\n    port: int = 5432\n"


def told(project: Project, kind: str, *args: str, **env: str) -> list[Problem]:
    """Return the problems of one kind, in a check that succeeds."""
    found = findings(project, "--offline", *args, code=0, **env).problems
    assert CANARY not in repr(found)
    return [problem for problem in found if problem.kind == kind]


@pytest.mark.parametrize(
    ("config", "name", "what"),
    [
        ("", "DB__HOST", "Settings needs env_nested_delimiter='__' in its model_config"),
        ("", "db_host", "Settings needs env_nested_delimiter='_' in its model_config"),
        ("", "DB.HOST", "Settings needs env_nested_delimiter='.' in its model_config"),
        ('env_nested_delimiter="_"', "DB__HOST", "Settings has the delimiter '_': write DB_HOST"),
        ('env_nested_delimiter="__"', "DB_HOST", "Settings has the delimiter '__': write DB__HOST"),
        (
            'env_nested_delimiter="__", env_prefix="shop_"',
            "SHOP_DB_HOST",
            "Settings has the delimiter '__': write SHOP_DB__HOST",
        ),
    ],
)
def test_a_variable_with_another_delimiter(
    project: Project, config: str, name: str, what: str
) -> None:
    """It is named, in the environment and in a `.env` that is read, with what to change."""
    project.declare("db: Database = Database()", head=NESTED, config=config)
    (problem,) = told(project, "variables", **{name: CANARY})
    assert (problem.severity, problem.message) == ("warning", f"nothing reads {name}: {what}")
    project.write(".env", f"{name}={CANARY}\n").chmod(0o600)
    assert told(project, "variables", "-e", "production") == []
    (problem,) = told(project, "variables", "-e", "development")
    assert problem.message == f"nothing reads {name} in .env: {what}"


def test_a_part_with_a_misspelled_name(project: Project) -> None:
    """A part that no nested model has is named if one is almost called so; aliases are names."""
    choices = "validation_alias=AliasChoices('name', 'names')"
    head = (
        f"from pydantic import AliasChoices, Field\n{NESTED}    name: str = Field('x', {choices})\n"
    )
    project.declare("db: Database = Database()", head=head, config='env_nested_delimiter="__"')
    fine = {"DB__HOST": "h", "db__port": "1", "DB__NAMES": "n", "DB__OTHER": "o", "TB__HSOT": "t"}
    assert told(project, "variables", **fine) == []
    (problem,) = told(project, "variables", DB__HSOT=CANARY)
    assert (problem.severity, problem.message) == (
        "warning",
        "DB__HSOT sets no field of Settings: did you mean DB__HOST?",
    )


def test_variables_with_another_delimiter_are_told_of_once(project: Project) -> None:
    """Several of them are one warning."""
    project.declare("db: Database = Database()", head=NESTED)
    (problem,) = told(project, "variables", DB__HOST="h", DB__PORT="p")
    assert problem.message.startswith("nothing reads DB__HOST, DB__PORT: ")


@pytest.mark.parametrize(
    "env", [{"DB__HOST": "h", "DB_HOST": "of another program"}, {"DB_NAME": "x", "HOST": "y"}]
)
def test_a_variable_that_is_none_of_a_field(project: Project, env: dict[str, str]) -> None:
    """Where another variable gives the field, or there is none, nothing is missed."""
    project.declare("db: Database = Database()", head=NESTED, config='env_nested_delimiter="__"')
    assert told(project, "variables", **env) == []


def test_a_variable_of_another_field(project: Project) -> None:
    """What a field of the class itself reads is not taken for a nested one."""
    project.declare("db: Database = Database()", "db_host: str = ''", head=NESTED)
    assert told(project, "variables", DB_HOST="h") == []


def test_variables_that_look_like_ours(project: Project) -> None:
    """They are named in the environment, and in a `.env` where that may hold the connection."""
    project.declare("debug: bool = False", "vaultconfig_color: str = ''")
    env = {"VAULTCONFIG_ENVIROMENT": "dev", "VAULTCONFIG_X": "1", "VAULTCONFIG_COLOR": "red"}
    messages = [problem.message for problem in told(project, "variables", **env)]
    assert messages == [
        "VAULTCONFIG_ENVIROMENT is not a variable of vaultconfig: did you mean "
        "VAULTCONFIG_ENVIRONMENT?",
        "VAULTCONFIG_X is not a variable of vaultconfig, and nothing reads it: remove it",
    ]
    project.write(".env", f"SCAIVAULT_TOKN={CANARY}\n").chmod(0o600)
    assert told(project, "variables", "-e", "production") == []
    (problem,) = told(project, "variables", "-e", "development")
    assert problem.message == (
        "SCAIVAULT_TOKN in .env is not a variable of vaultconfig: did you mean SCAIVAULT_TOKEN?"
    )


def test_an_env_file_that_is_absent(project: Project) -> None:
    """Each that the class names is told of; the one that no class names is not."""
    project.declare("debug: bool = False", config='env_file=(".env", "prod.env")')
    project.write(".env", "").chmod(0o600)
    (problem,) = told(project, "file")
    assert (problem.severity, problem.message) == (
        "note",
        "prod.env, the env_file of Settings, does not exist",
    )
    (project.path / ".env").unlink()
    assert len(told(project, "file")) == 2
    project.declare("debug: bool = False")
    assert told(project, "file") == []


def test_secrets_that_are_typed_str(project: Project, vault: DevServer) -> None:
    """One note names those that are called like secrets, in the class or in the vault."""
    project.declare(
        'client_id: Annotated[str, "vault:api#client_id"]',
        'token: Annotated[str, "vault:api#value"]',
        'dsn: Annotated[str | None, "vault:api#dsn"] = None',
        "db: Database",
        'hidden: Annotated[SecretStr, "vault:api#password"]',
        'pin: Annotated[int, "vault:api#key"]',
        'public_key: Annotated[str, "vault:api#public_key"]',
        'plain_token: str = ""',
        "given: str",
        head="class Database(BaseModel):\n    login: Annotated[str, 'vault:db#apiSecret']",
    )
    (note,) = told(project, "types", GIVEN="vault:api#signing-key")
    assert note.severity == "note"
    assert note.message.endswith("SecretStr would hide: token, dsn, db.login, given")
    assert (note.file, note.line) == ("app.py", 9)
