"""When `.env` may stand in for the vault: development, "always", "never"."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

from tests.settings.loading import reasons, unresolved
from vaultconfig import VaultConfigDict, VaultSettings, provenance
from vaultconfig.connection.environment import NoCredentialsError
from vaultconfig.devserver import DevServer
from vaultconfig.errors import (
    ConfigurationError,
    UnresolvedSettingsError,
    VaultUnavailableError,
)
from vaultconfig.vaults.vault import Vault

NAMES = ["development", "dev", "local", "test"]


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]


class Defaulting(VaultSettings):
    token: Annotated[str, "vault:app#token"] = "from default"


def without_credentials(model: type[VaultSettings], **options: Any) -> str:
    """Return the message of the error that a load without credentials ends with."""
    with pytest.raises(NoCredentialsError) as caught:
        model(**options)
    return str(caught.value)


@pytest.fixture
def credentials(vault_env: DevServer) -> DevServer:
    """A vault that is there, and gives ``app``."""
    vault_env.put("app", {"token": "from vault"})
    return vault_env


@pytest.mark.parametrize("name", [*NAMES, "Development", " DEV "])
def test_development_names(
    env_file: Any, monkeypatch: pytest.MonkeyPatch, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In development without credentials `.env` serves, without a word; case doesn't count."""
    env_file("TOKEN=from .env")
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", name)
    settings = Settings()
    assert settings.token == "from .env"
    assert provenance(settings)["token"].source == ".env"
    assert not caplog.records


@pytest.mark.parametrize("name", ["production", "prod", "staging", "developmentx", "", "  "])
def test_anything_else_is_production(
    env_file: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Any other name, and none, is production: `.env` gives no vault field."""
    env_file("TOKEN=from .env")
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", name)
    without_credentials(Settings)
    without_credentials(Settings, _env_file=".env")


def test_the_argument_the_variable_and_the_class_say_where_we_are(
    env_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument wins over the variable, and the variable over the class."""

    class Staging(VaultSettings):
        model_config = VaultConfigDict(vault_environment="staging")
        token: Annotated[str, "vault:app#token"]

    env_file("TOKEN=from .env")
    without_credentials(Staging)
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "dev")
    assert Staging().token == "from .env"
    without_credentials(Staging, _vault_environment="production")
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "production")
    assert Staging(_vault_environment="local").token == "from .env"


@pytest.mark.parametrize("name", [*NAMES, "Dev"])
def test_a_class_may_not_say_that_it_runs_in_development(name: str) -> None:
    """It would ship to production with it."""
    with pytest.raises(ConfigurationError, match="would ship"):

        class Wrong(VaultSettings):
            model_config = VaultConfigDict(vault_environment=name)


def test_a_stray_environment_in_dotenv_changes_nothing(env_file: Any) -> None:
    """A `.env` in a production image can't say that this is development."""
    env_file("VAULTCONFIG_ENVIRONMENT=development\nTOKEN=from .env\n")
    without_credentials(Settings)
    without_credentials(Settings, _env_file=".env")


def test_production_says_that_dotenv_is_ignored(env_file: Any) -> None:
    """Without credentials the error names what `.env` has, fields and connection."""
    env_file("TOKEN=canary-value\nSCAIVAULT_TOKEN=canary-token\nDEBUG=1\n")
    told = without_credentials(Settings)
    assert "(SCAIVAULT_TOKEN, token in .env: used in development only)" in told
    assert "canary" not in told


def test_production_says_that_dotenv_has_what_the_vault_lacks(
    vault_env: DevServer, env_file: Any
) -> None:
    """A missing secret that `.env` has is told with what to do."""
    env_file("TOKEN=canary-value\n")
    told = str(unresolved(Settings)).splitlines()
    assert told[-1] == (
        ".env has token, which it provides in development only:"
        " on your own machine, export VAULTCONFIG_ENVIRONMENT=development"
    )
    assert "canary" not in str(told)


def test_with_no_environment_the_error_ends_with_what_to_do() -> None:
    """On your own machine the way out is one line."""
    way_out = "on your own machine, export VAULTCONFIG_ENVIRONMENT=development"
    assert without_credentials(Settings).endswith(way_out)
    assert way_out not in without_credentials(Settings, _vault_environment="production")


def test_the_dotenv_of_the_directory_is_read_in_development_only(env_file: Any) -> None:
    """The default `.env` gives plain fields in development only, a named one always."""

    class Plain(VaultSettings):
        debug: str = "default"

    class Named(VaultSettings):
        model_config = VaultConfigDict(env_file=".env")
        debug: str = "default"

    env_file("DEBUG=from .env")
    assert Plain().debug == "default"
    assert Plain(_vault_environment="dev").debug == "from .env"
    assert Named().debug == Plain(_env_file=".env").debug == "from .env"
    assert Plain(_vault_environment="dev", _env_file=None).debug == "default"


class Database(BaseModel):
    password: Annotated[str, "vault:app#token"]
    host: str = "localhost"


def test_plain_siblings_are_read_from_a_named_file_in_production(
    credentials: DevServer, env_file: Any
) -> None:
    """`.env` gives the plain fields of a nested model beside the vault's."""

    class Named(VaultSettings):
        model_config = VaultConfigDict(env_file=".env", env_nested_delimiter="__")
        db: Database
        debug: bool = False

    env_file("DB__PASSWORD=stale\nDB__HOST=from .env\nDEBUG=yes\n")
    settings = Named()
    assert settings.db == Database(password="from vault", host="from .env")
    assert settings.debug is True
    assert {name: origin.source for name, origin in provenance(settings).items()} == {
        "db.host": ".env",
        "db.password": "vault",
        "debug": ".env",
    }


class Queue(BaseModel):
    topic: str = "all"
    database: Database


@pytest.mark.parametrize(
    "value",
    [
        '{"host": "h", "password": "stale"}',
        '[{"host": "h", "password": "stale"}]',
        '{"topic": "t", "database": {"password": "stale"}}',
    ],
)
@pytest.mark.parametrize("kind", [Database | list[Database], Database | Queue | list[Database]])
def test_no_member_of_a_union_comes_from_a_file_in_production(
    credentials: DevServer, env_file: Any, kind: Any, value: str
) -> None:
    """Whichever of its members a value is, alone or in a list, `.env` gives the vault's no part."""

    class Named(VaultSettings):
        model_config = VaultConfigDict(env_file=".env")
        either: kind

    env_file(f"EITHER='{value}'")
    try:
        shown = str(Named().model_dump())
    except ValidationError as error:  # a union without a tag is not filled
        shown = str(error)
    assert "stale" not in shown


def test_a_model_or_a_list_of_it_is_filled(
    credentials: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one model is all that a value is made of, no tag is needed to tell."""

    class Either(VaultSettings):
        either: Database | list[Database]

    filled = Database(password="from vault")
    assert Either().either == filled
    monkeypatch.setenv("EITHER", "[{}]")
    assert Either().either == [filled]


def test_the_vault_is_asked_first(credentials: DevServer, env_file: Any, development: None) -> None:
    """With credentials the vault's value wins in development, too."""
    env_file("TOKEN=from .env")
    assert Settings().token == "from vault"


TROUBLES = ["no credentials", "down", "denied", "not found", "no field", "refused"]


def make(trouble: str, vault: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bring about *trouble* with the vault that the environment points at."""
    if trouble == "no credentials":
        monkeypatch.delenv("SCAIVAULT_TOKEN")
    elif trouble == "down":
        monkeypatch.setenv("VAULTCONFIG_DEADLINE", "0.2")
        vault.stop()
    elif trouble == "denied":
        vault.deny("**")
    elif trouble == "not found":
        vault.delete("app")
    elif trouble == "no field":
        vault.put("app", {"other": "x"})
    elif trouble == "refused":
        monkeypatch.setenv("SCAIVAULT_TOKEN", "nobody's")


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("model", [Settings, Defaulting])
def test_development_covers_everything(
    credentials: DevServer,
    env_file: Any,
    monkeypatch: pytest.MonkeyPatch,
    development: None,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
    stored: bool,
    model: type[VaultSettings],
) -> None:
    """Whatever the reason, `.env` serves, then the default; with neither it is an error."""
    make(trouble, credentials, monkeypatch)
    if stored:
        env_file("TOKEN=from .env")
    if not stored and model is Settings:
        assert list(reasons(model)) == ["token"]
        return
    settings = model()
    source = ".env" if stored else "default"
    assert settings.model_dump() == {"token": f"from {source}"}
    assert provenance(settings)["token"].source == source
    assert len(caplog.records) == (trouble != "no credentials")
    assert all("token" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("stored", [True, False])
def test_always(
    credentials: DevServer,
    env_file: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    environment: str,
    trouble: str,
    stored: bool,
) -> None:
    """ "always" serves without credentials and in an outage, never against the vault's answer."""

    class Always(VaultSettings):
        model_config = VaultConfigDict(vault_fallback="always")
        token: Annotated[str, "vault:app#token"] = "from default"

    make(trouble, credentials, monkeypatch)
    if stored:
        env_file("TOKEN=from .env")
    load = lambda: Always(_vault_environment=environment)  # noqa: E731  # it is called twice
    if trouble in {"no credentials", "down"}:
        assert load().token == ("from .env" if stored else "from default")
        assert len(caplog.records) == (trouble == "down")
    else:
        with pytest.raises(Exception, match=r"could not be resolved|rejected"):
            load()


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_proxys_page(
    credentials: DevServer, caplog: pytest.LogCaptureFixture, status: int, environment: str
) -> None:
    """A page of a proxy is an outage at once: "always" and development serve, nobody else."""

    class Always(VaultSettings):
        model_config = VaultConfigDict(vault_fallback="always")
        token: Annotated[str, "vault:app#token"] = "from default"

    credentials.fault(status=status, body="<html>CANARY</html>")
    began = time.monotonic()
    assert Always(_vault_environment=environment).token == "from default"
    (record,) = caplog.records
    assert f"something between us and the vault answered {status}" in record.getMessage()
    assert "CANARY" not in record.getMessage()
    with pytest.raises(VaultUnavailableError, match="something between us"):
        Settings(_vault_environment="production")
    assert time.monotonic() - began < 2 * 5
    assert len(credentials.requests) == 2  # without retries


@pytest.mark.parametrize("trouble", TROUBLES)
def test_never(
    credentials: DevServer,
    env_file: Any,
    monkeypatch: pytest.MonkeyPatch,
    development: None,
    trouble: str,
) -> None:
    """ "never" means that not even development falls back."""

    class Never(VaultSettings):
        model_config = VaultConfigDict(vault_fallback="never")
        token: Annotated[str, "vault:app#token"] = "from default"

    make(trouble, credentials, monkeypatch)
    env_file("TOKEN=from .env")
    with pytest.raises(Exception, match=r"could not be resolved|rejected|credentials|connection"):
        Never()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_production_covers_nothing(
    credentials: DevServer, env_file: Any, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """What the vault can't give in production is an error."""
    make(trouble, credentials, monkeypatch)
    env_file("TOKEN=from .env")
    with pytest.raises(Exception, match=r"could not be resolved|rejected|credentials|connection"):
        Defaulting(_env_file=".env")


def test_one_warning_names_all_fields_and_reasons(
    vault_env: DevServer, env_file: Any, development: None, caplog: pytest.LogCaptureFixture
) -> None:
    """What was replaced is told at once, with reasons and without values."""
    vault_env.deny("denied")

    class Three(VaultSettings):
        one: Annotated[str, "vault:gone#x"]
        two: Annotated[str, "vault:denied#x"]
        three: Annotated[str, "vault:gone?optional#x"] = "default"

    env_file("ONE=canary-one\nTWO=canary-two\n")
    assert Three().model_dump() == {"one": "canary-one", "two": "canary-two", "three": "default"}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "one (vault:gone#x): there is no secret" in record.getMessage()
    assert "two (vault:denied#x): the vault denies access" in record.getMessage()
    assert "three" not in record.getMessage()
    assert "canary" not in record.getMessage()


def test_the_deadline_of_development(
    credentials: DevServer,
    env_file: Any,
    development: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A vault that does not answer is waited for two seconds, then `.env` serves."""
    deadlines: list[float] = []
    resolve = Vault.resolve

    def told(self: Vault, references: Any, *, deadline: float, vault_first: bool) -> Any:
        deadlines.append(deadline)
        return resolve(self, references, deadline=0.05)

    monkeypatch.setattr(Vault, "resolve", told)
    env_file("TOKEN=from .env")
    credentials.hold()
    assert Settings().token == "from .env"
    with pytest.raises(VaultUnavailableError):
        Settings(_vault_environment="production")
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", "7s")
    assert Settings().token == "from .env"
    assert deadlines == [2.0, 10.0, 7.0]


def test_a_nested_model_from_dotenv_alone(env_file: Any, development: None) -> None:
    """Nested vault fields fall back like others, each for itself."""

    class Nested(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="__")
        db: Database
        whole: Annotated[Database, "vault:whole"]

    env_file('DB__PASSWORD=p\nDB__HOST=h\nWHOLE={"password": "w"}\nWHOLE__HOST=x\n')
    settings = Nested()
    assert settings.db == Database(password="p", host="h")
    assert settings.whole == Database(password="w", host="x")


def test_a_default_instance_serves_in_development(development: None) -> None:
    """Where nothing else has a value, the default of the nested model is kept."""

    class Nested(VaultSettings):
        db: Database = Database(password="default password", host="default host")

    assert Nested().db == Database(password="default password", host="default host")


@pytest.mark.parametrize("how", ["argument", "class"])
def test_without_a_dotenv_nothing_is_read_from_one(
    vault: DevServer, env_file: Any, development: None, how: str
) -> None:
    """Whoever says that there is no `.env` gets no connection from it either."""

    class Without(Settings):
        model_config = VaultConfigDict(env_file=None)

    env_file(f"SCAIVAULT_URL={vault.url}\nSCAIVAULT_TOKEN='{vault.token}'\nTOKEN=from .env\n")
    with pytest.raises(UnresolvedSettingsError):
        Without() if how == "class" else Settings(_env_file=None)
    assert not vault.requests


@pytest.mark.parametrize("content", [b"TOKEN=\xff\xfe\n", None])
def test_a_dotenv_that_can_t_be_read_hides_no_error_in_production(
    vault_env: DevServer, tmp_path: Path, content: bytes | None
) -> None:
    """There it is only looked at for a hint."""
    file = tmp_path / ".env"
    file.write_bytes(content) if content else file.symlink_to(file)
    assert reasons(Settings) == {"token": "SecretNotFoundError"}
    told = str(unresolved(lambda: Settings(token="vault:/x")))
    assert "column" in told


def test_connection_mistakes_are_never_covered(
    credentials: DevServer, env_file: Any, development: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that makes no sense is an error in development, too."""
    env_file("TOKEN=from .env")
    monkeypatch.setenv("SCAIVAULT_URL", "ftp://vault")
    with pytest.raises(ConfigurationError, match="SCAIVAULT_URL"):
        Settings()


def test_no_credentials_in_development_and_nothing_in_dotenv(development: None) -> None:
    """The error says both ways out."""
    (failure,) = unresolved(Settings).failures
    assert isinstance(failure.error, NoCredentialsError)
    assert ".env" in str(failure.error)


@pytest.mark.parametrize("problem", ["nothing", "no vault", "no secret"])
def test_a_malformed_reference_in_dotenv_is_the_error(
    vault_env: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    """What is told is the mistake in `.env`, not that the vault could not be asked before."""

    class Settings(VaultSettings):
        password: Annotated[str, "vault:db#password"]

    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    (tmp_path / ".env").write_text('PASSWORD="vault:app//x#key"\n')
    if problem == "nothing":
        monkeypatch.delenv("SCAIVAULT_TOKEN")
    elif problem == "no vault":
        vault_env.stop()
    told = str(unresolved(Settings))
    assert "password in PASSWORD: invalid reference" in told
    assert "double slash" in told


UNREADABLE = """
import os
from contextlib import suppress
from typing import Annotated
from vaultconfig import VaultSettings
from vaultconfig.errors import ConfigurationError, VaultConfigError

class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]

os.environ["VAULTCONFIG_ENVIRONMENT"] = "development"
with suppress(VaultConfigError):  # which imports what is imported late
    Settings()
open(".env", "w").write("TOKEN=x")
os.chmod(".env", 0)
os.setuid(65534)
try:
    Settings()
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_a_file_of_another_user(tmp_path: Path) -> None:
    """It is said which file can't be read, as an error that applications expect."""
    tmp_path.chmod(0o755)
    ended = subprocess.run(
        [sys.executable, "-c", UNREADABLE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout == (
        ".env can't be read (Permission denied): give it to this user, or take it away\n"
    )
