"""Where secrets are stored between memory and vault, and under which keys. Opens no store.

Looked at by loads alone: a mistake in here is nothing to a command that asks only the vault.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import SecretBytes, SecretStr

from vaultconfig.connection.environment import Environment
from vaultconfig.connection.secret_files import text_of
from vaultconfig.errors import ConfigurationError, closest
from vaultconfig.masking.values import MaskedStr

if TYPE_CHECKING:
    from vaultconfig.connection.connection import Connection

_KINDS: Final = ("file", "redis", "rediss")
_LONGEST_NAME: Final = 200
_KEYGEN: Final = "make one with: vaultconfig store keygen"


class StoreSettings(NamedTuple):
    """A store, and whose it is.

    Attributes:
        address: ``file:DIRECTORY``, or the URL of a Redis server, which may hold a password.
        keys: 32 bytes each; the first encrypts, any decrypts.
        application: Its name; those who share it and a key share the store.
        environment: The name of the environment.
    """

    address: SecretStr
    keys: tuple[SecretBytes, ...]
    application: str
    environment: str

    @property
    def directory(self) -> str | None:
        """The directory; None where it is a server."""
        kind, _, rest = self.address.get_secret_value().partition(":")
        return rest if kind == "file" else None

    @property
    def place(self) -> str:
        """The address to show: without user, password, and the options of TLS."""
        kind, _, rest = self.address.get_secret_value().partition(":")
        if kind == "file":
            return f"file:{rest}"
        # An @ behind the host can be that of a password which was not percent-encoded.
        host = re.fullmatch(r"//(?:[^/?#]*@)?([^/?#@]+)(?:[/?#][^@]*)?", rest)
        return f"{kind}://{host[1] if host else '…'}"


def with_store(
    connection: Connection, environment: Environment, config: Mapping[str, Any]
) -> Connection:
    """Return *connection* with the store that is to be used in *environment*, if there is one.

    Args:
        connection: What the variables say.
        environment: Development uses none.
        config: The ``model_config`` of a class, which counts where no variable is set.

    Raises:
        ConfigurationError: The store is configured, but its key or the application is not; or one
            of the three is invalid.
    """
    address = connection.store.get_secret_value() if connection.store else config.get("vault_store")
    if not address or environment.is_development:
        return connection
    application = connection.application or config.get("vault_application")
    return _with_store(connection, environment.name, MaskedStr(address), application)


@cache  # each load asks for it; and so the keys stay those of the first
def _with_store(
    connection: Connection, environment: str | None, address: MaskedStr, application: str | None
) -> Connection:
    address = _checked(address)
    name = (application or "").strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ConfigurationError(
            "a store needs the name of the application: set VAULTCONFIG_APPLICATION, or "
            f"vault_application in the class, to a text of up to {_LONGEST_NAME} characters"
        )
    # No environment counts as production, in every rule.
    where = environment or "production"
    keys = dict.fromkeys(_keys(connection))  # one that stands there twice is one
    settings = StoreSettings(SecretStr(address), tuple(keys), name, where)
    return connection.model_copy(update={"store_settings": settings})


def _checked(address: MaskedStr) -> MaskedStr:
    kind, colon, rest = address.strip().partition(":")
    kind = kind.lower()
    if (
        kind not in _KINDS
        or not rest.strip("/ ")
        or not rest.isprintable()
        or (kind == "file" and re.match("//[^/]", rest))  # that would be the name of a host
    ):
        near = closest(kind, _KINDS) if colon and kind not in _KINDS else None
        meant = f"; did you mean {near}:?" if near else ""
        raise ConfigurationError(
            "VAULTCONFIG_STORE (or vault_store in the class) is invalid: expected file:DIRECTORY, "
            f"redis://HOST or rediss://HOST{meant}"
        )
    if kind == "file":
        # A path, or the URL of one; absolute, wherever this process goes later.
        directory = os.path.expanduser(rest.removeprefix("//"))
        if directory.startswith("~"):
            raise ConfigurationError(
                "the directory in VAULTCONFIG_STORE (or vault_store in the class) begins with ~, "
                "and there is no such home directory: write the whole path"
            )
        return MaskedStr(f"file:{os.path.abspath(directory)}")
    return MaskedStr(f"{kind}:{rest}")


def _keys(connection: Connection) -> Iterator[SecretBytes]:
    """Yield the keys.

    Raises:
        ConfigurationError: There is none, or one is not 32 bytes in base64.
    """
    text, origin = _text_of_keys(connection)
    for number, each in enumerate(text.replace(",", " ").split(), start=1):
        key = SecretBytes(b"")
        with suppress(binascii.Error, ValueError):
            alphabet = each.replace("-", "+").replace("_", "/")
            key = SecretBytes(base64.b64decode(alphabet, validate=True))
        if len(key) != 32:
            which = "the key" if number == 1 else f"key {number}"
            raise ConfigurationError(f"{which} in {origin} is not 32 bytes in base64: {_KEYGEN}")
        yield key


def _text_of_keys(connection: Connection) -> tuple[MaskedStr, str]:
    key, file = connection.store_key, connection.store_key_file
    if key is not None and file is not None:
        raise ConfigurationError(
            "two sources of the store's key are set, VAULTCONFIG_STORE_KEY and "
            "VAULTCONFIG_STORE_KEY_FILE: keep one of them"
        )
    text, origin = MaskedStr(), "VAULTCONFIG_STORE_KEY"
    if key is not None:
        text = MaskedStr(key.get_secret_value())
    elif file is not None:
        origin = f"{file} (VAULTCONFIG_STORE_KEY_FILE)"
        content = text_of(file)
        if isinstance(content, OSError):
            raise ConfigurationError(
                f"the store's key can't be read from {origin}: {content.strerror}"
            )
        text = MaskedStr(content)
        if not text.strip(", \r\n\t"):
            raise ConfigurationError(f"{origin} is empty: it has to hold the store's key")
    if not text.strip(", \r\n\t"):
        raise ConfigurationError(
            "a store needs a key: set VAULTCONFIG_STORE_KEY or VAULTCONFIG_STORE_KEY_FILE; "
            f"{_KEYGEN}"
        )
    return text, origin
