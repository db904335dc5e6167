"""Change notification: subscriptions, long polls, acknowledgements."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError

WISH = {"name": "app", "paths": ["**"], "delivery": {"type": "polling"}}
POLL = "/v1/subscriptions/sub_1/poll"


def subscribe(http: httpx.Client, *paths: str, **wish: Any) -> str:
    body = {**WISH, **wish, "paths": paths or ("**",)}
    return str(http.post("/v1/subscriptions", json=body).json()["id"])


def poll(http: httpx.Client, subscription: str = "sub_1", **params: Any) -> dict[str, Any]:
    answer = http.get(f"/v1/subscriptions/{subscription}/poll", params={"timeout": 0, **params})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def told(http: httpx.Client, subscription: str = "sub_1", **params: Any) -> list[tuple[str, str]]:
    events = poll(http, subscription, **params)["events"]
    return [(event["event_type"].removeprefix("secret."), event["path"]) for event in events]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_creating_one(http: httpx.Client) -> None:
    """A subscription gets an id and says whose it is."""
    answer = http.post("/v1/subscriptions", json={**WISH, "events": ["secret.updated"]})
    assert answer.status_code == 201
    assert answer.json() == {
        "id": "sub_1",
        "name": "app",
        "status": "active",
        "identity_id": "dev-admin",
    }


def test_creating_takes_the_scope(server: DevServer, connect) -> None:
    """Without subscriptions:write there is no subscription."""
    http = connect(server, server.add_token(scopes=("secrets:read",)))
    assert code(http.post("/v1/subscriptions", json=WISH)) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"paths": []}, "paths"),
        ({"paths": "a"}, "paths"),
        ({"paths": [1]}, "paths"),
        ({"events": []}, "events"),
        ({"events": ["secret.renamed"]}, "events"),
        ({"events": 1}, "events"),
        ({"delivery": None}, "delivery"),
        ({"delivery": {"type": "webhook"}}, "delivery.type"),
        ({"delivery": {"type": "polling", "buffer_size": 0}}, "delivery.buffer_size"),
    ],
)
def test_a_wish_with_wrong_fields(http: httpx.Client, change: dict, field: str) -> None:
    """Each field is checked and named."""
    answer = http.post("/v1/subscriptions", json={**WISH, **change})
    assert code(answer) == (422, "validation_error")
    assert list(answer.json()["error"]["details"]["fields"]) == [field]


def test_events_say_what_happened_and_no_value(server: DevServer, http: httpx.Client) -> None:
    """Each kind of event carries its versions, names and dates, and never a value."""
    subscribe(http)
    http.put("/v1/secrets/a", json={"data": {"x": "canary"}, "options": {"expires_in": "3d"}})
    server.announce_expiry("a", threshold=7)
    http.put("/v1/secrets/a", json={"data": {"x": "canary"}})
    server.rotate("a", {"x": "canary"})
    http.delete("/v1/secrets/a")
    events = poll(http)["events"]
    assert [event["event_type"] for event in events] == [
        "secret.created",
        "secret.expiring",
        "secret.updated",
        "secret.updated",
        "secret.rotated",
        "secret.deleted",
    ]
    assert {event["path"] for event in events} == {"a"}
    assert {event["timestamp"] for event in events} == {"2027-01-15T08:00:00.000Z"}
    assert sorted(event["event_id"] for event in events) == [e["event_id"] for e in events]
    assert "canary" not in str(events)
    assert [event["data"] for event in events] == [
        {"version": 1, "created_by": "dev-admin"},
        {"expires_at": "2027-01-18T08:00:00.000Z", "days_remaining": 3, "threshold": 7},
        {"old_version": 1, "new_version": 2, "updated_by": "dev-admin", "is_rotation": False},
        {"old_version": 2, "new_version": 3, "updated_by": "dev-server", "is_rotation": True},
        {
            "old_version": 2,
            "new_version": 3,
            "rotation_policy_id": None,
            "grace_period_ends": "2027-01-17T08:00:00.000Z",
        },
        {"version": 3, "deleted_by": "dev-admin", "permanent": False},
    ]


def test_globs_and_kinds(server: DevServer, http: httpx.Client) -> None:
    """A subscription hears of the paths and kinds it asked for, and of nothing before it."""
    server.put("a/x", {})
    subscribe(http, "a/*", "b/?")
    subscribe(http, "**", events=["secret.deleted"])
    for path in ("a/x", "a/x/y", "b/1", "b/12"):
        server.put(path, {})
    server.delete("b/12")
    assert told(http) == [("updated", "a/x"), ("created", "b/1")]
    assert told(http, "sub_2") == [("deleted", "b/12")]


def test_only_what_may_be_read(server: DevServer, connect) -> None:
    """A subscription hears nothing of paths or tenants that its owner may not read."""
    http = connect(server, server.add_token(read=("a/**",)))
    subscribe(http)
    server.put("a/x", {})
    server.put("b/x", {})
    server.put("a/y", {}, tenant="acme")
    assert told(http) == [("created", "a/x")]


def test_unacknowledged_events_come_again(server: DevServer, http: httpx.Client) -> None:
    """Events come until they are acknowledged, or are passed over with since_event_id."""
    subscribe(http)
    for path in "abc":
        server.put(path, {})
    ids = [event["event_id"] for event in poll(http)["events"]]
    assert [event["event_id"] for event in poll(http)["events"]] == ids
    assert told(http, since_event_id=ids[0]) == [("created", "b"), ("created", "c")]
    answer = http.post("/v1/subscriptions/sub_1/ack", json={"event_ids": [ids[1], "unknown"]})
    assert answer.json() == {"acknowledged": 1}
    assert told(http) == [("created", "a"), ("created", "c")]
    assert told(http, since_event_id=ids[2]) == []


def test_events_that_are_repeated(server: DevServer, http: httpx.Client) -> None:
    """On request the vault forgets acknowledgements and where a client has got to."""
    subscribe(http)
    server.put("a", {})
    server.fault(path="/v1/subscriptions/**", repeat=True)
    for _ in range(2):
        (event,) = poll(http)["events"]
        assert told(http, since_event_id=event["event_id"]) == [("created", "a")]
        acknowledged = {"event_ids": [event["event_id"]]}
        assert http.post("/v1/subscriptions/sub_1/ack", json=acknowledged).status_code == 200
    server.clear_faults()
    http.post("/v1/subscriptions/sub_1/ack", json=acknowledged)
    assert told(http) == []


def test_lost_subscriptions(server: DevServer, http: httpx.Client, connect) -> None:
    """A vault that loses its subscriptions says so, at once to a poll that waits."""
    assert server.subscriptions == ()
    subscribe(http)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(connect(server).get, POLL, params={"timeout": 60})
        wait_for_poll(server)
        server.lose_subscriptions()
        assert code(waiting.result(timeout=5)) == (404, "subscription_not_found")
    assert code(http.delete("/v1/subscriptions/sub_1")) == (404, "subscription_not_found")
    subscribe(http)
    assert server.subscriptions == ("sub_2",)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_pages_of_events(server: DevServer, http: httpx.Client, most: int) -> None:
    """At most max_events come at once, oldest first, and has_more tells whether there are more."""
    subscribe(http)
    for path in "ab":
        server.put(path, {})
    page = poll(http, max_events=most)
    assert [event["path"] for event in page["events"]] == ["a", "b"][:most]
    assert page["has_more"] is (most < 2)


def test_a_full_buffer_drops_the_oldest(server: DevServer, http: httpx.Client) -> None:
    """No more than buffer_size events wait."""
    subscribe(http, delivery={"type": "polling", "buffer_size": 2})
    for path in "abc":
        server.put(path, {})
    assert told(http) == [("created", "b"), ("created", "c")]


def test_a_long_poll_answers_at_the_event(server: DevServer, http: httpx.Client, connect) -> None:
    """A poll that finds nothing waits for the next event that it wants, and answers at once."""
    subscribe(http, "a/**")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(told, connect(server), timeout=60)
        wait_for_poll(server)
        server.put("b/x", {})
        assert not waiting.done()
        server.put("a/x", {})
        assert waiting.result(timeout=5) == [("created", "a/x")]


def wait_for_poll(server: DevServer) -> None:
    """Return once a poll waits for news; there is no other sign of it from outside."""
    (subscription,) = server._instance.subscriptions._subscriptions.values()
    ends = time.monotonic() + 10
    while not subscription.waiting:
        assert time.monotonic() < ends
        time.sleep(0)


def test_a_long_poll_ends_empty(http: httpx.Client) -> None:
    """After its timeout a poll answers with nothing."""
    subscribe(http)
    began = time.monotonic()
    assert poll(http, timeout=1) == {"events": [], "has_more": False}
    assert time.monotonic() - began >= 1


def test_a_long_poll_passes_over_what_it_knows(
    server: DevServer, http: httpx.Client, connect
) -> None:
    """With since_event_id a poll waits although older events were not acknowledged."""
    subscribe(http)
    server.put("a", {})
    known = poll(http)["events"][0]["event_id"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(told, connect(server), timeout=60, since_event_id=known)
        wait_for_poll(server)
        server.put("b", {})
        assert waiting.result(timeout=5) == [("created", "b")]


def test_stop_ends_long_polls(server: DevServer, http: httpx.Client, connect) -> None:
    """A server that stops drops its long polls at once, and keeps its subscriptions."""
    subscribe(http)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(connect(server).get, POLL, params={"timeout": 60}, timeout=70)
        wait_for_poll(server)
        stopping = time.monotonic()
        server.stop()
        assert time.monotonic() - stopping < 5
        assert isinstance(waiting.exception(timeout=5), httpx.RemoteProtocolError)
    server.put("a", {})
    server.start()
    http.close()
    assert told(connect(server)) == [("created", "a")]


def test_deleting_ends_long_polls(server: DevServer, http: httpx.Client, connect) -> None:
    """A poll of a subscription that goes away is answered that it is not there."""
    subscribe(http)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(connect(server).get, POLL, params={"timeout": 60})
        wait_for_poll(server)
        assert http.delete("/v1/subscriptions/sub_1").json() == {"id": "sub_1", "deleted": True}
        assert code(waiting.result(timeout=5)) == (404, "subscription_not_found")


def test_it_is_the_owners(server: DevServer, http: httpx.Client, connect) -> None:
    """Others may not poll, acknowledge or delete it; what is not there is not found."""
    subscribe(http)
    other = connect(server, server.add_token(scopes=("admin",)))
    requests = [("GET", "/poll", None), ("POST", "/ack", {"event_ids": []}), ("DELETE", "", None)]
    for method, what, body in requests:
        answer = other.request(method, f"/v1/subscriptions/sub_1{what}", json=body)
        assert code(answer) == (403, "access_denied")
        answer = http.request(method, f"/v1/subscriptions/sub_9{what}", json=body)
        assert code(answer) == (404, "subscription_not_found")


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"timeout": "0", "max_events": "100"}, 200),
        ({"timeout": "61"}, 422),
        ({"timeout": "-1"}, 422),
        ({"timeout": "0", "max_events": "0"}, 422),
        ({"timeout": "0", "max_events": "101"}, 422),
    ],
)
def test_poll_parameters(http: httpx.Client, params: dict[str, str], status: int) -> None:
    """A poll waits at most 60 s and gives at most 100 events."""
    subscribe(http)
    assert http.get(POLL, params=params).status_code == status


def test_acknowledgements_are_checked(http: httpx.Client) -> None:
    """An acknowledgement is a list of ids."""
    subscribe(http)
    answer = http.post("/v1/subscriptions/sub_1/ack", json={"event_ids": "evt_1"})
    assert list(answer.json()["error"]["details"]["fields"]) == ["event_ids"]


def test_limits_of_operations_and_polls(connect, clock) -> None:
    """Creating, acknowledging and deleting share one limit, polls have another."""
    with DevServer(limits={"subscription": 3, "poll": 1}, clock=clock) as server:
        http = connect(server)
        subscribe(http)
        http.post("/v1/subscriptions/sub_1/ack", json={"event_ids": []})
        left = http.delete("/v1/subscriptions/sub_1").headers["X-RateLimit-Remaining"]
        assert left == "0"
        assert code(http.post("/v1/subscriptions", json=WISH)) == (429, "rate_limited")
        assert code(http.get(POLL)) == (404, "subscription_not_found")
        assert code(http.get(POLL)) == (429, "rate_limited")


def test_a_poll_carries_the_headers(connect, clock) -> None:
    """An answer that had to wait tells of the limits as well."""
    with DevServer(limits={"poll": 240}, clock=clock) as server:
        http = connect(server)
        subscribe(http)
        answer = http.get(POLL, params={"timeout": 0})
        assert answer.headers["X-RateLimit-Remaining"] == "239"


@pytest.mark.parametrize("less", [{"subscriptions": False}, {"quickstart_only": True}])
def test_servers_without(connect, less: dict[str, bool]) -> None:
    """A server may have no subscriptions, and one for the Quickstart has none."""
    with DevServer(**less) as server:
        http = connect(server)
        assert http.post("/v1/subscriptions", json=WISH).status_code == 404
        assert http.get(POLL).status_code == 404
        batch = http.post("/v1/secrets/batch", json={"paths": []})
        assert batch.status_code == (405 if "quickstart_only" in less else 200)


def test_events_that_cannot_be(server: DevServer) -> None:
    """What is not there can't be rotated, and what does not expire can't be announced."""
    with pytest.raises(ConfigurationError, match="a can't be rotated: there is no secret"):
        server.rotate("a", {})
    server.put("a", {})
    with pytest.raises(ConfigurationError, match="a does not expire"):
        server.announce_expiry("a")
