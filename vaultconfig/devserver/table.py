"""ScaiVault's operations as a table, and what comes before each: who, how often, what for. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from vaultconfig.devserver import operations
from vaultconfig.devserver.identities import READ, WRITE
from vaultconfig.devserver.instance import Incoming, Instance, Reply
from vaultconfig.devserver.limits import Allowance
from vaultconfig.devserver.oauth import issue_token
from vaultconfig.devserver.operations import Call, Json
from vaultconfig.devserver.problems import Problem

Handler: TypeAlias = Callable[[Instance, Incoming], Reply]


@dataclass(frozen=True, slots=True)
class Row:
    """One operation.

    Attributes:
        route: The URL's path, with ``{path:secret_path}`` for a secret's.
        in_quickstart: Whether the least of servers has it.
    """

    method: str
    route: str
    handle: Handler
    in_quickstart: bool = False


def guarded(
    operation: Callable[[Call], tuple[int, Json]], *, kind: str, scope: str | None = None
) -> Handler:
    """Return *operation* behind the token, the limit of its *kind*, and the *scope* it takes."""

    def handle(instance: Instance, incoming: Incoming) -> Reply:
        now = instance.clock()
        token = instance.identities.authenticate(incoming.headers.get("authorization"), now=now)
        identity = token.identity
        allowance = instance.limits.take(identity.identity_id, kind, now=now)
        headers = _require(allowance)
        try:
            tenant = identity.act_in(incoming.headers.get("x-tenant-id"))
            if scope is not None:
                identity.require_scope(scope)
            call = Call(instance=instance, token=token, tenant=tenant, incoming=incoming, now=now)
            status, body = operation(call)
        except Problem as problem:
            problem.headers = {**headers, **problem.headers}
            raise
        return Reply(status=status, body=body, headers=headers)

    return handle


def read_batch(call: Call) -> tuple[int, Json]:
    """Read a batch, which costs one read a path returned beside the batch itself."""
    status, body = operations.read_batch(call)
    if returned := len(body["secrets"]):
        _require(
            call.instance.limits.take(
                call.identity.identity_id, "read", now=call.now, units=returned
            )
        )
    return status, body


def _require(allowance: Allowance | None) -> dict[str, str]:
    if allowance is None:
        return {}
    if allowance.retry_after is not None:
        message = f"over the limit: come back in {allowance.retry_after} s"
        raise Problem("rate_limited", message, headers=allowance.headers)
    return allowance.headers


def _fixed(**body: str) -> Handler:
    return lambda _instance, _incoming: Reply(body=body, headers={})


SECRET = "/v1/secrets/{path:secret_path}"  # noqa: S105 -- a URL's path

ROWS = (
    Row("GET", "/v1/auth/whoami", guarded(operations.whoami, kind="whoami"), in_quickstart=True),
    Row("POST", "/v1/secrets/batch", guarded(read_batch, kind="batch", scope=READ)),
    Row(
        "GET",
        "/v1/secrets",
        guarded(operations.list_secrets, kind="list", scope=READ),
        in_quickstart=True,
    ),
    Row("GET", SECRET, guarded(operations.get_secret, kind="read", scope=READ), in_quickstart=True),
    Row(
        "PUT", SECRET, guarded(operations.put_secret, kind="write", scope=WRITE), in_quickstart=True
    ),
    Row("DELETE", SECRET, guarded(operations.delete_secret, kind="write", scope=WRITE)),
    Row("POST", "/oauth/token", issue_token),
    Row("GET", "/v1/health", _fixed(status="healthy")),
    Row("GET", "/v1/health/ready", _fixed(status="ready")),
    Row("GET", "/v1/version", _fixed(version="1.0.0", api_version="v1")),
)


def answer(handle: Handler, instance: Instance, incoming: Incoming) -> Reply:
    """Run *handle*, and put what it refuses into the envelope."""
    try:
        return handle(instance, incoming)
    except Problem as exc:
        problem = exc
    except OSError as exc:  # what keeps the contents failed, and nothing was written
        problem = Problem("internal_error", f"the contents can't be kept: {exc.strerror}")
    return Reply(
        status=problem.status,
        body=problem.envelope(incoming.request_id),
        headers=problem.headers,
    )


def rows(instance: Instance) -> list[Row]:
    """Return the rows that *instance* knows."""
    return [row for row in ROWS if row.in_quickstart or not instance.quickstart_only]
