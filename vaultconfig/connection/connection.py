"""Where the vault is, and the credentials for it, from the environment. Opens no connection."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.places import parts_of
from vaultconfig.masking.values import mask
from vaultconfig.references import parse_duration, without_quotes

DEADLINE, DEVELOPMENT_DEADLINE = 10.0, 2.0
SET_CREDENTIALS = (
    "set SCAIVAULT_TOKEN, VAULTCONFIG_TOKEN_FILE, or SCAIKEY_CLIENT_ID and SCAIKEY_CLIENT_SECRET"
)
DotEnvFiles: TypeAlias = Path | str | Sequence[Path | str] | None

CREDENTIALS: Final = (
    "SCAIVAULT_TOKEN",
    "VAULTCONFIG_TOKEN_FILE",
    "SCAIKEY_CLIENT_ID",
    "SCAIKEY_CLIENT_SECRET",
)
_INLINE_CREDENTIALS = frozenset(CREDENTIALS) - {"VAULTCONFIG_TOKEN_FILE"}
_DESTINATIONS = ("SCAIVAULT_URL", "SCAIKEY_TOKEN_URL", "VAULTCONFIG_ALLOW_HTTP")


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    seconds = parse_duration(value.strip())
    if seconds is None:
        raise ValueError("expected seconds, or a number with s, m, h or d")
    return seconds


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # of the port, or of an IPv6 host
        is_address = False
    if not is_address:
        raise ValueError("expected an address such as https://vault.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("expected an address without credentials, '?' or '#'")
    if parts.path.rstrip("/").endswith("/v1"):
        raise ValueError("expected an address without the /v1 of the API")
    return value.rstrip("/")


def _token(value: SecretStr) -> SecretStr:
    if value.get_secret_value().lower().startswith("bearer "):
        raise ValueError("expected the token alone, without 'Bearer' before it")
    return value


Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]


class Connection(BaseSettings):
    """The connection settings; `read` finds them, and nothing is read by the constructor.

    The names of the variables are ScaiVault's own where its tools have one.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
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
    deadline: Seconds | None = Field(None, alias="VAULTCONFIG_DEADLINE")
    ttl: Seconds = Field(300.0, alias="VAULTCONFIG_TTL")
    max_stale: Annotated[float, BeforeValidator(_seconds), Field(ge=0)] = Field(
        86400.0, alias="VAULTCONFIG_MAX_STALE"
    )
    _stored: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `read` has sorted out, and nothing else."""
        return (init_settings,)

    @property
    def has_credentials(self) -> bool:
        """Whether there is anything to show to the vault."""
        return any((self.token, self.token_file, self.client_id))

    def source_of(self, variable: str) -> str:
        """Return how messages name *variable*, by where it was found."""
        return f"{variable} in .env" if variable in self._stored else variable


class MisplacedCredentialsError(ConfigurationError):
    """A `.env` says where to send a credential that it does not itself hold."""


def read_connection(
    environ: Mapping[str, str], *, env_file: DotEnvFiles = None, encoding: str | None = None
) -> Connection:
    """Read the connection settings.

    Args:
        environ: The process environment.
        env_file: In development, the `.env` to look into for what is missing from *environ*.
        encoding: Of that file; UTF-8 by default.

    Raises:
        ConfigurationError: A value is malformed, there are two credentials or half of one,
            or a `.env` would send a credential elsewhere.
    """
    found = ((name, environ.get(name)) for name in CONNECTION_VARIABLES)
    given = tuple((name, mask(value)) for name, value in found if value)
    stored = tuple(mask(_stored_variables(env_file, encoding)).items())
    return _connection(given, stored)


def stored_connection_variables(env_file: DotEnvFiles, encoding: str | None = None) -> list[str]:
    """Name the connection settings that stand in a `.env`."""
    return sorted(_stored_variables(env_file, encoding))


CONNECTION_VARIABLES: Final = tuple(str(field.alias) for field in Connection.model_fields.values())


def files_of(env_file: DotEnvFiles) -> list[Path]:
    """Return *env_file*, one or several, as a list."""
    files = [env_file] if isinstance(env_file, (str, os.PathLike)) else env_file or []
    return [Path(file).expanduser() for file in files]


def regular_files(env_file: DotEnvFiles) -> list[Path]:
    """Return which of *env_file* can be read at any time: no pipe, which may block or end."""
    return [file for file in files_of(env_file) if os.path.isfile(file)]


def dotenv_variables(
    env_file: DotEnvFiles, encoding: str | None = None, *, interpolate: bool = False
) -> dict[str, str]:
    """Read the variables of a `.env`, if it can be read.

    Args:
        env_file: What is not a regular file is left alone.
        encoding: UTF-8 by default.
        interpolate: Whether ``${NAME}`` is expanded, as pydantic-settings has it; that brings in
            what the process environment holds.
    """
    found: dict[str, str | None] = {}
    for file in regular_files(env_file):
        with suppress(UnicodeError, OSError):  # what needs the file reports it
            found |= dotenv_values(file, interpolate=interpolate, encoding=encoding or "utf-8")
    return {name: value for name, value in found.items() if value}


def expanded_texts(env_file: DotEnvFiles, encoding: str | None = None) -> dict[str, str]:
    """Return each text in a `.env` that ``${NAME}`` was expanded in, and how it is written there.

    A text inside of JSON counts by itself.
    """
    found: dict[str, str] = {}
    expanded = dotenv_variables(env_file, encoding, interpolate=True)
    for name, text in dotenv_variables(env_file, encoding).items():
        before, after = _strings_in(text), _strings_in(expanded.get(name, ""))
        if len(before) != len(after):
            before = [text] * len(after)
        found |= {new: old for new, old in zip(after, before, strict=True) if new != old}
    return found


def _strings_in(text: str) -> list[str]:
    if not text.startswith(("{", "[")):
        return [text]
    try:
        return list(_strings(json.loads(text)))
    except (ValueError, RecursionError):
        return [text]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for _, item in parts_of(value):
        yield from _strings(item)


def unreadable_lines(env_file: DotEnvFiles, encoding: str | None = None) -> list[str]:
    """Name the lines of a `.env` that python-dotenv passes over."""
    found: list[str] = []
    for file in regular_files(env_file):
        with suppress(UnicodeError, OSError), file.open(encoding=encoding or "utf-8") as stream:
            for binding in parse_stream(stream):
                text, line = binding.original
                line += text[: len(text) - len(text.lstrip())].count("\n")
                found += [f"line {line} of {file}"] if binding.error else []
    return found


def _stored_variables(env_file: DotEnvFiles, encoding: str | None) -> dict[str, str]:
    stored = dotenv_variables(env_file, encoding)
    return {name: stored[name] for name in CONNECTION_VARIABLES if name in stored}


@lru_cache(maxsize=8)
def _connection(
    given: tuple[tuple[str, str], ...], stored: tuple[tuple[str, str], ...]
) -> Connection:
    in_environment, in_file = dict(given), dict(stored)
    for name, value in (*given, *stored):
        check_quotes(name, value)
    _reject_misplaced_credentials(in_environment, in_file)
    values = in_file | in_environment
    _reject_ambiguous_credentials(values)
    problems: list[str] = []
    try:
        connection = Connection.model_validate(values)
    except ValidationError as error:
        problems = [f"{_place(line['loc'])}: {_told(line['msg'])}" for line in error.errors()]
    else:
        connection._stored = frozenset(in_file) - frozenset(in_environment)
        return connection
    raise ConfigurationError("; ".join(problems))


def check_quotes(name: str, value: str) -> None:
    """Reject quotes around the value of the variable *name*, which something has kept there.

    Raises:
        ConfigurationError: There are; the value is not shown.
    """
    if without_quotes(value) != value:
        raise ConfigurationError(
            f"{name} has quotes around its value, which are not part of it: remove them"
            " (docker's --env-file takes them literally)"
        )


def _place(loc: tuple[Any, ...]) -> str:
    return str(loc[0]) if loc else "the connection"


def _told(message: str) -> str:
    return message.removeprefix("Value error, ")


def _reject_misplaced_credentials(
    in_environment: Mapping[str, str], in_file: Mapping[str, str]
) -> None:
    """A cloned repository must not be able to send your token elsewhere, nor a file of yours."""
    redirects = [name for name in _DESTINATIONS if name in in_file and name not in in_environment]
    foreign = [
        name
        for name in CREDENTIALS
        if name in in_environment or (name in in_file and name not in _INLINE_CREDENTIALS)
    ]
    expanding = [name for name, value in in_file.items() if "${" in value]
    if expanding:
        raise MisplacedCredentialsError(
            f"{expanding[0]} in .env holds '${{', which nothing expands there: write the value"
        )
    if redirects and foreign:
        raise MisplacedCredentialsError(
            f"{redirects[0]} stands in .env and {foreign[0]} does not come from there:"
            f" move {redirects[0]} into the environment, or the credential itself into .env"
        )


def _reject_ambiguous_credentials(values: Mapping[str, str]) -> None:
    kinds = [
        name
        for name in ("SCAIVAULT_TOKEN", "VAULTCONFIG_TOKEN_FILE", "SCAIKEY_CLIENT_ID")
        if name in values
    ]
    if len(kinds) > 1:
        raise ConfigurationError(
            f"two credentials are set, {kinds[0]} and {kinds[1]}: keep one of them"
        )
    pair = ("SCAIKEY_CLIENT_ID", "SCAIKEY_CLIENT_SECRET")
    absent = [name for name in pair if name not in values]
    if len(absent) == 1:
        raise ConfigurationError(f"{absent[0]} is missing beside its other half: set it")
