"""News of changed secrets, by long polls."""

from __future__ import annotations

import threading

import pytest

from tests.client.scripted import Reply, envelope, secret
from vaultconfig import errors
from vaultconfig.client import Event, StaticToken, VaultClient

CREATED = Reply(201, {"id": "sub/1", "name": "n", "status": "active", "identity_id": "i"})
UPDATED = {
    "event_id": "e1",
    "event_type": "secret.updated",
    "timestamp": "2030-01-01T00:00:00Z",
    "path": "a/b",
    "data": {"old_version": 1, "new_version": 2},
}


@pytest.fixture
def subscription(vault, client):
    vault.script(CREATED)
    with client.subscribe(["a/**", "b/*"], name="n") as subscription:
        vault.asked.clear()
        yield subscription


def test_create(vault, client):
    """A subscription is created with globs, the events that change a value, and polling."""
    vault.script(CREATED)
    client.subscribe(["a/**", "b/*"], name="n").close()
    (asked,) = vault.asked
    assert (asked.method, asked.target) == ("POST", "/v1/subscriptions")
    assert asked.json == {
        "name": "n",
        "paths": ["a/**", "b/*"],
        "events": ["secret.created", "secret.updated", "secret.rotated", "secret.deleted"],
        "delivery": {"type": "polling"},
    }


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (envelope("insufficient_scope", status=403), errors.AccessDeniedError),
        (envelope("token_invalid", status=401), errors.AuthenticationError),
        (Reply(404, b"<html>"), errors.ResponseError),
        (Reply(405), errors.ResponseError),
        (Reply(403, b"<html>"), errors.VaultUnavailableError),
        (Reply(401, b"<html>"), errors.VaultUnavailableError),
        (Reply(201, {}), errors.ResponseError),
        (Reply(429, b"", {"Retry-After": "60"}), errors.RateLimitedError),
        (Reply(501), errors.VaultUnavailableError),
    ],
)
def test_no_subscription(vault, client, reply, kind):
    """No permission, no endpoint and no more calls are three things; none is tried again."""
    vault.script(reply)
    with pytest.raises(errors.VaultConfigError) as caught:
        client.subscribe(["a"])
    assert type(caught.value) is kind
    assert len(vault.asked) == 1


def test_poll(vault, subscription):
    """A poll tells what happened to which secret, and its new version if there is one."""
    vault.script(
        Reply(
            body={
                "events": [
                    UPDATED,
                    UPDATED
                    | {"event_id": "e2", "event_type": "secret.created"}
                    | {"data": {"version": 1}},
                    UPDATED | {"event_id": "e3", "event_type": "secret.deleted", "data": None},
                    UPDATED | {"event_id": "e4", "event_type": "secret.deleted"},  # with a version
                ],
                "has_more": False,
            }
        )
    )
    assert subscription.poll(30) == (
        Event("e1", "secret.updated", "a/b", 2),
        Event("e2", "secret.created", "a/b", 1),
        Event("e3", "secret.deleted", "a/b"),
        Event("e4", "secret.deleted", "a/b"),
    )
    assert "'e1'" in repr(subscription.poll(0.5, since_event_id="e&1"))
    assert [asked.target for asked in vault.asked] == [
        "/v1/subscriptions/sub%2F1/poll?timeout=30&max_events=100",
        "/v1/subscriptions/sub%2F1/poll?timeout=0.5&max_events=100&since_event_id=e%261",
    ]
    assert vault.asked[0].headers["Authorization"] == "Bearer tok-CANARY"


def test_a_poll_without_news(vault, subscription):
    """An empty answer at the time-out is no news, as an empty list is."""
    for reply in (Reply(204, b""), Reply(body={"events": []}), Reply(body={"events": None})):
        vault.script(reply)
        assert subscription.poll(1) == ()


def test_ack_and_delete(vault, subscription):
    """Events are acknowledged by id; a subscription can be deleted."""
    vault.script(Reply(204, b""))
    subscription.ack(["e1", "e2"])
    subscription.delete()
    first, second = vault.asked
    assert (first.method, first.target) == ("POST", "/v1/subscriptions/sub%2F1/ack")
    assert first.json == {"event_ids": ["e1", "e2"]}
    assert (second.method, second.target) == ("DELETE", "/v1/subscriptions/sub%2F1")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (envelope("token_expired", status=401), errors.AuthenticationError),
        (envelope("access_denied", status=403), errors.AccessDeniedError),
        (envelope("subscription_not_found", status=404), errors.ResponseError),
        (Reply(404, b"<html>"), errors.ResponseError),  # to subscribe anew does no harm
        *((Reply(status, b"<html>"), errors.VaultUnavailableError) for status in (401, 403)),
        (envelope("rate_limited", status=429), errors.RateLimitedError),
        (Reply(503, b"<html>"), errors.VaultUnavailableError),
        (lambda connection: None, errors.VaultUnavailableError),
        (Reply(200, b"<html>"), errors.ResponseError),
        (Reply(200, {"events": ["x"]}), errors.ResponseError),
        (Reply(200, {"events": [UPDATED | {"path": None}]}), errors.ResponseError),
    ],
)
def test_a_poll_that_fails(vault, subscription, reply, kind):
    """A poll fails as any other call does, after one attempt."""
    vault.script(reply)
    for call in (subscription.poll, lambda: subscription.ack(["e"]), subscription.delete):
        if call != subscription.poll and isinstance(reply, Reply) and reply.status == 200:
            continue
        vault.asked.clear()
        with pytest.raises(errors.VaultConfigError) as caught:
            call()
        assert type(caught.value) is kind
        assert len(vault.asked) == 1


@pytest.mark.parametrize("seconds", [-1, 60.1, float("nan")])
def test_how_long_a_poll_takes(vault, subscription, seconds):
    """A poll takes what the vault allows."""
    with pytest.raises(errors.ConfigurationError, match="0 to 60"):
        subscription.poll(seconds)
    assert vault.asked == []


def test_a_poll_outlasts_the_deadline_of_the_client(vault, connect, clock):
    """A poll has its own time, and ends when that is over."""
    vault.script(CREATED)
    subscription = connect(deadline=0.2).subscribe(["a"])
    vault.respond = lambda asked: (clock.sleep(0.4), Reply(body={"events": []}))[1]
    with subscription:
        assert subscription.poll(1) == ()


def test_close_ends_a_poll_at_once(vault):
    """A poll that waits for the vault ends when another thread closes the subscription."""
    vault.script(CREATED)
    with VaultClient(vault.url, credentials=StaticToken("t")) as client:
        subscription = client.subscribe(["a"])
        polled = threading.Event()
        vault.respond = lambda asked: lambda connection: (polled.set(), vault.over.wait(30))
        problems = []

        def poll() -> None:
            with pytest.raises(errors.ConfigurationError, match="closed") as caught:
                subscription.poll()
            problems.append(caught.value)

        thread = threading.Thread(target=poll)
        thread.start()
        assert polled.wait(5)
        subscription.close()
        thread.join(8)  # where the vault holds its answer for 30
        assert len(problems) == 1
        with pytest.raises(errors.ConfigurationError, match="closed"):
            subscription.poll()
        vault.script(Reply(body=secret()))
        assert client.read("a/b").version == 1


def test_polls_hold_up_nobody(vault, client):
    """More polls than the client has connections leave its reads alone."""
    vault.script(CREATED)
    subscriptions = [client.subscribe(["a"], name=str(i)) for i in range(9)]
    arrived = threading.Semaphore(0)

    def respond(asked):
        if "poll" in asked.target:
            return lambda connection: (arrived.release(), vault.over.wait(30))
        return Reply(body=secret())

    vault.respond = respond

    def poll(subscription) -> None:
        with pytest.raises(errors.ConfigurationError):
            subscription.poll()

    threads = [threading.Thread(target=poll, args=(each,)) for each in subscriptions]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert arrived.acquire(timeout=5)
    assert client.read("a/b").version == 1
    for subscription in subscriptions:
        subscription.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
