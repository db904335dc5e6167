"""A vault on a real socket that works until a fault takes the place of its answers."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection
from typing import Any

from tests.client.scripted import TOKEN, Asked, Reply, ScriptedVault, envelope

BATCH = "/v1/secrets/batch"
FIELDS = {"shop/db": ("user", "password"), "shop/mail": ("key",)}


class MatrixVault(ScriptedVault):
    """Holds what the settings of `app` need.

    Attributes:
        version: Of all its secrets; each value is the name of its field and the version.
        tokens: Those that it accepts.
        keeps: Whether a connection may be used again.
        issued: How many tokens it has issued.
        issues: Answers requests for tokens, in the place of a token.
        stillborn: How many of the next ones will have ended before they are used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.version = 1
        self.tokens = {TOKEN}
        self.keeps = False
        self.stillborn = 0
        self.respond = self.answer
        self.issued = 0
        self.issues: Reply | None = None

    def answer(self, asked: Asked) -> Reply:
        """Answer as a vault that is well does."""
        if asked.target == "/token" and self.issues:
            return self.issues
        if asked.target == "/token":
            self.issued += 1
            token = f"token-{self.issued}"
            if self.stillborn:
                self.stillborn -= 1
            else:
                self.tokens.add(token)
            return Reply(body={"access_token": token, "expires_in": 3600})
        if not is_read(asked):
            # No subscriptions: a refresh comes when it is due.
            return Reply(404, headers={"Connection": "close"})
        if asked.headers["Authorization"].removeprefix("Bearer ") not in self.tokens:
            return envelope("token_expired", status=401)
        if asked.target == BATCH:
            return self.batch({path: self.secret(path) for path in asked.json["paths"]})
        return Reply(404)  # all of `app` is read as a batch

    def secret(
        self, path: str, *, named: bool = True, version: int | None = None
    ) -> dict[str, Any]:
        """Return what a read of *path* is answered; *named* has it say its path."""
        version = version or self.version
        data = {name: f"{name}-{version}" for name in FIELDS[path]}
        return {"version": version, "data": data} | ({"path": path} if named else {})

    def batch(self, secrets: Any, errors: Any = None) -> Reply:
        """Return the answer to a batch read."""
        headers = {} if self.keeps else {"Connection": "close"}
        return Reply(body={"secrets": secrets, "errors": errors or {}}, headers=headers)

    def instead(self, reply: Callable[[Asked], Any]) -> None:
        """Have *reply* make the answers to reads from now on."""
        self.respond = lambda asked: reply(asked) if is_read(asked) else self.answer(asked)

    def reads(self) -> Collection[Asked]:
        """Return the requests that were for secrets."""
        return [asked for asked in self.asked if is_read(asked)]

    def stop(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()

    def speak_tls(self, certificate: Any) -> ssl.SSLContext:
        """Show *certificate*, one of trustme's, from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://localhost:{self.server.server_port}"
        return context


def is_read(asked: Asked) -> bool:
    return asked.target.startswith("/v1/secrets")
