"""Encryption of what is stored, and the names that it is stored under. Pure.

AES-256-GCM (NIST SP 800-38D) with a random nonce each time. What a value is bound to (format,
owner, name) is its associated data: for another name or owner it can't be decrypted.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretBytes

from vaultconfig.store.shelf import LARGEST, UnusableError

_FORMAT: Final = b"\x01"
_NONCE: Final = 12  # bytes
_SHORTEST: Final = len(_FORMAT) + _NONCE + 16  # with GCM's tag, which comes last
_NAME: Final = 32  # digits of a name


class Seal:
    """What one key seals for one owner.

    Args:
        key: 32 bytes.
        owner: Application, environment, tenant and server.
    """

    def __init__(self, key: SecretBytes, owner: Sequence[str]) -> None:
        # A key for each purpose, as NIST SP 800-108 has it.
        self._cipher = AESGCM(_derived(key, b"vaultconfig: values"))
        # Made once: no frame has the key while a name is made.
        self._naming = hmac.new(_derived(key, b"vaultconfig: names"), digestmod=hashlib.sha256)
        self._owner = tuple(owner)
        self.scope = self._digest("scope")

    def name(self, kind: str, *parts: object) -> str:
        """Return the name of something, which tells nothing about it."""
        return f"{self.scope}/{self._digest(kind, *parts)}"

    def close(self, name: str, plain: bytes) -> bytes:
        """Encrypt *plain* for *name*."""
        nonce = os.urandom(_NONCE)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, self._bound_to(name))

    def open(self, name: str, sealed: bytes) -> bytes:
        """Decrypt what was sealed for *name*.

        Raises:
            UnusableError: It was not, or has been damaged.
        """
        if len(sealed) > LARGEST:
            raise UnusableError("larger than anything that is stored")
        if len(sealed) < _SHORTEST:
            raise UnusableError("truncated")
        if not sealed.startswith(_FORMAT):
            raise UnusableError("in another format")
        nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return self._cipher.decrypt(nonce, rest, self._bound_to(name))
        except InvalidTag:
            pass
        raise UnusableError("damaged, or sealed under another name or key")

    def _bound_to(self, name: str) -> bytes:
        return json.dumps([1, *self._owner, name]).encode()

    def _digest(self, kind: str, *parts: object) -> str:
        naming = self._naming.copy()
        naming.update(json.dumps([kind, self._owner, parts]).encode())
        return naming.hexdigest()[:_NAME]


def _derived(key: SecretBytes, purpose: bytes) -> bytes:
    return hmac.digest(key.get_secret_value(), purpose, hashlib.sha256)
