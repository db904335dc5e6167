"""The address of the vault and the credentials for it. Opens no connection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)

from vaultconfig.connection.env_files import DotEnvFiles, dotenv_variables
from vaultconfig.connection.environment import Environment
from vaultconfig.connection.secret_files import token_problem
from vaultconfig.connection.store_settings import StoreSettings
from vaultconfig.connection.urls import url_problem
from vaultconfig.errors import ConfigurationError
from vaultconfig.forks import validate_undisturbed
from vaultconfig.masking.values import mask
from vaultconfig.references import parse_duration, without_quotes

DEADLINE, DEVELOPMENT_DEADLINE = 10.0, 2.0

_KINDS: Final = (
    ("SCAIVAULT_TOKEN",),
    ("VAULTCONFIG_TOKEN_FILE",),
    ("SCAIKEY_CLIENT_ID", "SCAIKEY_CLIENT_SECRET"),
)
"""The variables of each kind of credential; only one kind may be set."""
CREDENTIALS: Final = tuple(name for kind in _KINDS for name in kind)
# As a text and not made from the list: a reader who looks for the message finds it.
SET_CREDENTIALS: Final = (
    "set SCAIVAULT_TOKEN, VAULTCONFIG_TOKEN_FILE, or SCAIKEY_CLIENT_ID and SCAIKEY_CLIENT_SECRET"
)
_FILES: Final = ("VAULTCONFIG_TOKEN_FILE", "VAULTCONFIG_STORE_KEY_FILE")
# Where a credential is sent, and whether it may be sent unencrypted.
_DESTINATIONS: Final = ("SCAIVAULT_URL", "SCAIKEY_TOKEN_URL", "VAULTCONFIG_ALLOW_HTTP")


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    seconds = parse_duration(value.strip())
    if seconds is None:
        raise ValueError("expected seconds, or a number with s, m, h or d")
    return seconds


def _address(value: str) -> str:
    problem = url_problem(value)
    address = value.rstrip("/")
    if problem is None and address.endswith("/v1"):
        problem = "expected an address without the /v1 of the API"
    if problem is not None:
        raise ValueError(problem)
    return address


def _token(value: SecretStr) -> SecretStr:
    problem = token_problem(value.get_secret_value())
    if problem is not None:
        raise ValueError(problem)
    return value


Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, BeforeValidator(_seconds)]


class Connection(BaseModel):
    """The connection settings, by their variables; `read_connection` finds them.

    The names of the variables are ScaiVault's own where its tools have one.
    """

    # Built when the first one is read: by then whatever imports us has been imported.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, hide_input_in_errors=True, str_strip_whitespace=True, defer_build=True
    )

    url: Address = Field("https://scaivault.scailabs.ai", alias="SCAIVAULT_URL")
    token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        None, alias="SCAIVAULT_TOKEN"
    )
    token_file: Path | None = Field(None, alias="VAULTCONFIG_TOKEN_FILE")
    client_id: str | None = Field(None, alias="SCAIKEY_CLIENT_ID")
    client_secret: SecretStr | None = Field(None, alias="SCAIKEY_CLIENT_SECRET")
    token_url: Address = Field("https://scaikey.scailabs.ai/oauth/token", alias="SCAIKEY_TOKEN_URL")
    scope: str = Field("secrets:read", alias="VAULTCONFIG_SCOPE")
    client_auth: Literal["form", "basic"] = Field("form", alias="VAULTCONFIG_CLIENT_AUTH")
    tenant: str | None = Field(None, alias="SCAIVAULT_TENANT_ID")
    allow_http: bool = Field(default=False, alias="VAULTCONFIG_ALLOW_HTTP")
    deadline: Annotated[Seconds, Field(gt=0)] | None = Field(None, alias="VAULTCONFIG_DEADLINE")
    ttl: Seconds = Field(300.0, alias="VAULTCONFIG_TTL", gt=0)
    max_stale: Seconds = Field(86400.0, alias="VAULTCONFIG_MAX_STALE", ge=0)
    store: SecretStr | None = Field(None, alias="VAULTCONFIG_STORE")
    store_key: SecretStr | None = Field(None, alias="VAULTCONFIG_STORE_KEY")
    store_key_file: Path | None = Field(None, alias="VAULTCONFIG_STORE_KEY_FILE")
    application: str | None = Field(None, alias="VAULTCONFIG_APPLICATION")
    store_settings: StoreSettings | None = None  # what `with_store` makes of these four
    _in_file: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def has_credentials(self) -> bool:
        """Whether a credential is set."""
        return any((self.token, self.token_file, self.client_id))

    def deadline_in(self, environment: Environment) -> float:
        """Return the seconds that a load may take there, retries included."""
        usual = DEVELOPMENT_DEADLINE if environment.is_development else DEADLINE
        return self.deadline or usual

    def source_of(self, variable: str) -> str:
        """Return *variable* for a message, with the `.env` if its value came from there."""
        return f"{variable} in .env" if variable in self._in_file else variable


class MisplacedCredentialsError(ConfigurationError):
    """A `.env` names the server for a credential that does not stand in the same file."""


def read_connection(
    environ: Mapping[str, str], *, env_file: DotEnvFiles = None, encoding: str | None = None
) -> Connection:
    """Read the connection settings.

    Args:
        environ: The process environment.
        env_file: In development, the `.env` for variables that are missing from *environ*.
        encoding: Of that file; UTF-8 by default.

    Raises:
        ConfigurationError: A value is malformed, there are two credentials or half of one,
            or a `.env` would send a credential elsewhere.
    """
    # `in` first: to miss a variable costs os.environ.get() two exceptions.
    present = (name for name in CONNECTION_VARIABLES if name in environ)
    given = {name: text for name in present if (text := environ[name])}
    stored = stored_variables(env_file, encoding) if env_file else {}
    # Masked, since both stand in the frames of a traceback; as tuples, for the cache.
    return _connection(*(tuple(_absolute(mask(texts)).items()) for texts in (given, stored)))


def _absolute(texts: dict[str, str]) -> dict[str, str]:
    """Return *texts* with files that stay the same wherever this process goes later."""
    files = {name: texts[name].strip() for name in _FILES if name in texts}
    return texts | {
        name: os.path.abspath(os.path.expanduser(file))
        for name, file in files.items()
        if file and without_quotes(file) == file
    }


CONNECTION_VARIABLES: Final = tuple(
    field.alias for field in Connection.model_fields.values() if field.alias
)


def stored_variables(env_file: DotEnvFiles, encoding: str | None) -> dict[str, str]:
    """Return the connection settings that stand in a `.env`, by their variables."""
    stored = dotenv_variables(env_file, encoding)
    return {name: stored[name] for name in CONNECTION_VARIABLES if name in stored}


@lru_cache(maxsize=8)  # each load asks for it, and the variables seldom change
def _connection(
    given: tuple[tuple[str, str], ...], stored: tuple[tuple[str, str], ...]
) -> Connection:
    for name, value in (*given, *stored):
        if without_quotes(value) != value:
            raise ConfigurationError(
                f"{name} has quotes around its value, which are not part of it: remove them"
                " (docker's --env-file takes them literally)"
            )
    in_environment, in_file = dict(given), dict(stored)
    values = in_file | in_environment
    _reject_misplaced_credentials(in_environment, in_file)
    _reject_ambiguous_credentials(values)
    try:
        connection = validate_undisturbed(Connection, values)
    except ValidationError as error:
        problems = [
            f"{line['loc'][0]}: {line['msg'].removeprefix('Value error, ')}"
            for line in error.errors(include_input=False, include_context=False)
        ]
    else:
        connection._in_file = frozenset(in_file) - frozenset(in_environment)
        return connection
    raise ConfigurationError("; ".join(problems))  # out here, because that error holds values


def _reject_misplaced_credentials(
    in_environment: Mapping[str, str], in_file: Mapping[str, str]
) -> None:
    """A cloned repository must not be able to send your token elsewhere, nor a file of yours."""
    for name, value in in_file.items():
        if "${" in value:
            raise MisplacedCredentialsError(
                f"{name} in .env holds '${{', which nothing expands there: write the value"
            )
    redirects = [name for name in _DESTINATIONS if name in in_file and name not in in_environment]
    # The token file is not part of the repository, even if the `.env` in there names it.
    foreign = [
        name
        for name in CREDENTIALS
        if name in in_environment or (name == "VAULTCONFIG_TOKEN_FILE" and name in in_file)
    ]
    if redirects and foreign:
        raise MisplacedCredentialsError(
            f"{redirects[0]} stands in .env and {foreign[0]} does not come from there:"
            f" move {redirects[0]} into the environment, or the credential itself into .env"
        )


def _reject_ambiguous_credentials(values: Mapping[str, str]) -> None:
    kinds = [kind[0] for kind in _KINDS if kind[0] in values]
    if len(kinds) > 1:
        raise ConfigurationError(
            f"two credentials are set, {kinds[0]} and {kinds[1]}: keep one of them"
        )
    for kind in _KINDS:
        present = [name for name in kind if name in values]
        missing = [name for name in kind if name not in values]
        if present and missing:
            raise ConfigurationError(f"{missing[0]} is missing: set it, or unset {present[0]}")
