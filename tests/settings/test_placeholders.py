"""What fills the braces in a path: environment, variables of the class, fields of the settings."""

from enum import Enum
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, Field

from tests.settings.loading import Asked, reasons, unresolved
from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.devserver import DevServer


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    for path in ("environments/production/app", "environments/staging/eu/app", "eu/app", "7/app"):
        vault_env.put(path, {"token": f"of {path}"})
    return vault_env


class Settings(VaultSettings):
    token: Annotated[str, "vault:environments/{environment}/app#token"]


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``{environment}`` is the environment's name, in lower case."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "Production")
    assert Settings().token == "of environments/production/app"


def test_without_an_environment_it_is_an_error(app: DevServer) -> None:
    """Nobody reads production's secrets by leaving the environment out."""
    told = str(unresolved(Settings))
    assert "no environment is set: export VAULTCONFIG_ENVIRONMENT" in told
    assert not app.requests


def test_variables_of_the_class() -> None:
    """``vault_variables`` fill braces, also in templates."""

    class Regional(VaultSettings):
        model_config = VaultConfigDict(vault_variables={"region": "eu"})
        token: Annotated[str, "vault:{region}/app#token"]
        template: Annotated[str, "<${vault:{region}/app#token}>"]

    settings = Regional()
    assert (settings.token, settings.template) == ("of eu/app", "<of eu/app>")


class Region(Enum):
    EU = "eu"


class ByField(VaultSettings):
    model_config = VaultConfigDict(populate_by_name=True)
    region: Any = Field("eu", validation_alias=AliasChoices("region", "AREA"))
    token: Annotated[str, "vault:{region}/app#token"]


def test_a_field_with_a_default() -> None:
    """A field's default fills braces."""
    assert ByField().token == "of eu/app"


@pytest.mark.parametrize("given", ["7", 7, Region.EU])
def test_a_field_that_is_given(given: Any) -> None:
    """Text, numbers and the values of enums fill braces."""
    assert ByField(region=given).token == f"of {getattr(given, 'value', given)}/app"


@pytest.mark.parametrize("given", [True, None, ["eu"], 1.5])
def test_other_values_fill_nothing(given: Any) -> None:
    """What has no plain text of its own does not become part of a path."""
    assert reasons(lambda: ByField(region=given)) == {"token": "ConfigurationError"}


@pytest.mark.parametrize("name", ["REGION", "AREA"])
def test_a_field_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A field's value is taken from whichever source and name gives it."""
    monkeypatch.setenv(name, "7")
    assert ByField().token == "of 7/app"


def test_a_field_from_dotenv(env_file: Any) -> None:
    """A plain field from a named `.env` fills braces in production, too."""
    assert ByField(_env_file=env_file("REGION=7")).token == "of 7/app"


def test_several_at_once() -> None:
    """Each name is filled from its own provider."""

    class Both(VaultSettings):
        model_config = VaultConfigDict(vault_variables={"region": "eu"})
        token: Annotated[str, "vault:environments/{environment}/{region}/app#token"]

    assert Both(_vault_environment="staging").token == "of environments/staging/eu/app"


def test_two_providers_that_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same value twice is no contradiction."""

    class Agreeing(VaultSettings):
        model_config = VaultConfigDict(vault_variables={"region": "eu"})
        region: str = "us"
        token: Annotated[str, "vault:{region}/app#token"]

    assert Agreeing(region="eu").token == "of eu/app"
    assert Agreeing().token == "of eu/app"  # a default is what counts least


def test_two_providers_that_differ() -> None:
    """The class and a field that a source gives, when they differ, are an error naming both."""

    class Differing(VaultSettings):
        model_config = VaultConfigDict(vault_variables={"region": "eu"})
        region: str
        token: Annotated[str, "vault:{region}/app#token"]

    told = str(unresolved(lambda: Differing(region="us")))
    assert "'eu' by vault_variables, 'us' by the field region" in told


def test_the_environment_is_what_the_process_says() -> None:
    """``{environment}`` is that of the process, whatever fields and variables there are."""

    class Named(VaultSettings):
        model_config = VaultConfigDict(vault_variables={"environment": "staging"})
        environment: str = "dev"
        token: Annotated[str, "vault:environments/{environment}/app#token"]

    settings = Named(environment="test", _vault_environment="Production")
    assert settings.token == "of environments/production/app"
    assert settings.environment == "test"


def test_a_field_is_no_environment() -> None:
    """A field called environment does not say where we are."""

    class Misleading(Settings):
        environment: str = "production"

    assert reasons(Misleading) == {"token": "ConfigurationError"}


def test_nothing_provides_it() -> None:
    """A name that nothing provides is an error that says where to give it."""

    class Missing(VaultSettings):
        region: str | None = None
        token: Annotated[str, "vault:{region}/app#token"]

    assert "nothing provides {region}: name it in vault_variables" in str(unresolved(Missing))


@pytest.mark.parametrize("value", ["eu/app", "..", ".", "a#b", "a?b", "", " ", "a\nb", "{x}"])
def test_what_is_filled_in_is_one_segment(app: DevServer, value: str) -> None:
    """A slash, a dot-dot or a ``#`` in it is refused, whoever provides it."""
    assert reasons(lambda: ByField(region=value)) == {"token": "ConfigurationError"}

    class Variable(VaultSettings):
        model_config = VaultConfigDict(vault_variables={"region": value})
        token: Annotated[str, "vault:{region}/app#token"]

    assert reasons(Variable) == {"token": "ConfigurationError"}
    assert not app.requests


def test_a_field_from_the_vault_fills_nothing(app: DevServer) -> None:
    """It would need a second round trip, and what the vault says is data, not a path."""

    class Chained(VaultSettings):
        region: Annotated[str, "vault:eu/app#token"]
        token: Annotated[str, "vault:{region}/app#token"]

    class ByValue(VaultSettings):
        region: str = ""
        token: Annotated[str, "vault:{region}/app#token"]

    assert "come from the vault itself" in str(unresolved(Chained))
    assert "come from the vault itself" in str(unresolved(lambda: ByValue(region="vault:a#b")))


def test_values_in_the_environment_are_filled(
    monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    """References that stand as values have braces, too."""

    class Plain(VaultSettings):
        region: str = "eu"
        token: str

    monkeypatch.setenv("TOKEN", "vault:{region}/app#token")
    assert Plain().token == "of eu/app"
    assert asked() == [("GET", ("eu/app",))]


def test_a_default_factory_that_takes_other_fields(app: DevServer) -> None:
    """What it would make is not known yet: another value would be another path."""

    class Regional(VaultSettings):
        zone: str = "us-1"
        region: str = Field(default_factory=lambda data: data["zone"][:2])
        token: Annotated[str, "vault:{region}/app#token"]

    assert "from a default factory" in str(unresolved(lambda: Regional(zone="eu-1")))
    assert not app.requests
    assert Regional(region="eu").token == "of eu/app"


def test_a_placeholder_is_the_same_in_each_path(app: DevServer) -> None:
    """A default factory that gives another one each time is called once for it."""
    regions = iter(["eu", "7", "us", "ap"])

    class Regional(VaultSettings):
        region: str = Field(default_factory=lambda: next(regions))
        token: Annotated[str, "vault:{region}/app#token"]
        again: Annotated[str, "vault:{region}/app?version=1#token"]

    settings = Regional()
    assert settings.token == settings.again == "of eu/app"
