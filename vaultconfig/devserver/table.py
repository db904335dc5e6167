"""ScaiVault's operations as a table, and the checks before each: token, limit, scope. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from vaultconfig.devserver import operations, polling
from vaultconfig.devserver.identities import READ, SUBSCRIBE, WRITE
from vaultconfig.devserver.instance import Incoming, Instance, Later, Reply
from vaultconfig.devserver.limits import Allowance
from vaultconfig.devserver.oauth import issue_token
from vaultconfig.devserver.operations import Call, Json
from vaultconfig.devserver.problems import ApiError

Handler: TypeAlias = Callable[[Instance, Incoming], "Reply | Later"]
Operation: TypeAlias = Callable[[Call], "tuple[int, Json] | Later"]


@dataclass(frozen=True, slots=True)
class Row:
    """One operation.

    Attributes:
        route: The URL's path, with ``{target:…}`` for what it names.
        part: Of the service: ``quickstart``, which the least of servers has, ``full``, or
            ``subscriptions``.
    """

    method: str
    route: str
    handle: Handler
    part: str = "full"


def guarded(operation: Operation, *, kind: str, scope: str | None = None) -> Handler:
    """Return *operation* behind the token, the limit of its *kind*, and the *scope* it takes."""

    def handle(instance: Instance, incoming: Incoming) -> Reply | Later:
        now = instance.clock()
        token = instance.identities.authenticate(incoming.headers.get("authorization"), now=now)
        identity = token.identity
        headers = _require(instance.limits.take(identity.identity_id, kind, now=now))
        try:
            tenant = identity.act_in(incoming.headers.get("x-tenant-id"))
            if scope is not None:
                identity.require_scope(scope)
            call = Call(instance=instance, token=token, tenant=tenant, incoming=incoming, now=now)
            outcome = operation(call)
        except ApiError as problem:
            problem.headers = {**headers, **problem.headers}
            raise
        if isinstance(outcome, Later):
            return replace(outcome, headers=headers)
        return Reply(status=outcome[0], body=outcome[1], headers=headers)

    return handle


def read_batch(call: Call) -> tuple[int, Json]:
    """Read a batch, which costs one read a path returned beside the batch itself."""
    status, body = operations.read_batch(call)
    if returned := len(body["secrets"]):
        identity_id = call.identity.identity_id
        _require(call.instance.limits.take(identity_id, "read", now=call.now, units=returned))
    return status, body


def _require(allowance: Allowance | None) -> dict[str, str]:
    if allowance is None:
        return {}
    if allowance.retry_after is not None:
        message = f"too many requests: try again in {allowance.retry_after} s"
        raise ApiError("rate_limited", message, headers=allowance.headers)
    return allowance.headers


def _fixed(**body: str) -> Handler:
    return lambda _instance, _incoming: Reply(body=body, headers={})


WHOAMI = guarded(operations.whoami, kind="whoami")
BATCH = guarded(read_batch, kind="batch", scope=READ)
LIST = guarded(operations.list_secrets, kind="list", scope=READ)
GET = guarded(operations.get_secret, kind="read", scope=READ)
PUT = guarded(operations.put_secret, kind="write", scope=WRITE)
DELETE = guarded(operations.delete_secret, kind="write", scope=WRITE)
SUBSCRIPTION = guarded(polling.create_subscription, kind="subscription", scope=SUBSCRIBE)
POLL = guarded(polling.poll, kind="poll")
ACKNOWLEDGE = guarded(polling.acknowledge, kind="subscription")
UNSUBSCRIBE = guarded(polling.delete_subscription, kind="subscription")

ROWS = (
    Row("GET", "/v1/auth/whoami", WHOAMI, "quickstart"),
    Row("POST", "/v1/secrets/batch", BATCH),
    Row("GET", "/v1/secrets", LIST, "quickstart"),
    Row("GET", "/v1/secrets/{target:secret_path}", GET, "quickstart"),
    Row("PUT", "/v1/secrets/{target:secret_path}", PUT, "quickstart"),
    Row("DELETE", "/v1/secrets/{target:secret_path}", DELETE),
    Row("POST", "/oauth/token", issue_token),
    Row("GET", "/v1/health", _fixed(status="healthy")),
    Row("GET", "/v1/health/ready", _fixed(status="ready")),
    Row("GET", "/v1/version", _fixed(version="1.0.0", api_version="v1")),
    Row("POST", "/v1/subscriptions", SUBSCRIPTION, "subscriptions"),
    Row("GET", "/v1/subscriptions/{target}/poll", POLL, "subscriptions"),
    Row("POST", "/v1/subscriptions/{target}/ack", ACKNOWLEDGE, "subscriptions"),
    Row("DELETE", "/v1/subscriptions/{target}", UNSUBSCRIBE, "subscriptions"),
)


def rows(instance: Instance) -> list[Row]:
    """Return the rows that *instance* knows."""
    parts = {"quickstart"}
    if not instance.quickstart_only:
        parts |= {"full", "subscriptions"} if instance.has_subscriptions else {"full"}
    return [row for row in ROWS if row.part in parts]


def answer(handle: Handler, instance: Instance, incoming: Incoming) -> Reply | Later:
    """Run *handle*, and put its errors into the envelope."""
    try:
        return handle(instance, incoming)
    except ApiError as exc:
        problem = exc
    except OSError as exc:  # what keeps the contents failed, and nothing was written
        problem = ApiError("internal_error", f"the contents can't be kept: {exc.strerror}")
    return _refusal(problem, incoming)


def answer_later(later: Later, incoming: Incoming) -> Reply:
    """Give the answer that has waited long enough."""
    headers = later.headers or {}
    try:
        return Reply(body=later.body(), headers=headers)
    except ApiError as exc:
        problem = exc
    return _refusal(problem, incoming)


def _refusal(problem: ApiError, incoming: Incoming) -> Reply:
    body = problem.envelope(incoming.request_id)
    return Reply(status=problem.status, body=body, headers=problem.headers)
