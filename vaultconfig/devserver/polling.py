"""The operations on subscriptions: create, poll, acknowledge, delete. Pure."""

from __future__ import annotations

from typing import Any, TypeGuard

from vaultconfig.devserver.instance import Later, timestamp
from vaultconfig.devserver.operations import Call, Json, json_object, whole_number
from vaultconfig.devserver.problems import invalid
from vaultconfig.devserver.subscriptions import DEFAULT_BUFFER, EVENT_TYPES, Event, Wish

MAX_TIMEOUT, DEFAULT_TIMEOUT = 60, 30
MAX_EVENTS = 100


def create_subscription(call: Call) -> tuple[int, Json]:
    """``POST /v1/subscriptions``."""
    wish = _wish(json_object(call.incoming.body))
    subscription = call.instance.subscriptions.create(wish, owner=call.identity, tenant=call.tenant)
    return 201, {
        "id": subscription.subscription_id,
        "name": wish.name,
        "status": "active",
        "identity_id": call.identity.identity_id,
    }


def poll(call: Call) -> Later:
    """``GET /v1/subscriptions/{id}/poll``: at once if something is pending, else when it is."""
    query = call.incoming.query
    name = call.incoming.target
    since = "" if call.incoming.fault.repeat else query.get("since_event_id", "")
    timeout = whole_number(
        "timeout", query.get("timeout", str(DEFAULT_TIMEOUT)), at_least=0, at_most=MAX_TIMEOUT
    )
    most = whole_number("max_events", query.get("max_events", "100"), at_most=MAX_EVENTS)
    subscriptions = call.instance.subscriptions

    def events() -> Json:
        pending = subscriptions.pending(name, owner=call.identity, since=since)
        return {
            "events": [_shown(event) for event in pending[:most]],
            "has_more": len(pending) > most,
        }

    return Later(
        news=subscriptions.news(name, owner=call.identity, since=since),
        timeout=timeout,
        body=events,
    )


def acknowledge(call: Call) -> tuple[int, Json]:
    """``POST /v1/subscriptions/{id}/ack``: what is not acknowledged comes again."""
    event_ids = json_object(call.incoming.body).get("event_ids")
    if not _are_texts(event_ids):
        raise invalid({"event_ids": "a list of texts is needed"})
    done = [] if call.incoming.fault.repeat else event_ids
    count = call.instance.subscriptions.acknowledge(call.incoming.target, done, owner=call.identity)
    return 200, {"acknowledged": count}


def delete_subscription(call: Call) -> tuple[int, Json]:
    """``DELETE /v1/subscriptions/{id}``: polls that wait end."""
    call.instance.subscriptions.delete(call.incoming.target, owner=call.identity)
    return 200, {"id": call.incoming.target, "deleted": True}


def _shown(event: Event) -> Json:
    return {
        "event_id": event.event_id,
        "event_type": event.event_type,
        "timestamp": timestamp(event.happened_at),
        "path": event.path,
        "data": dict(event.data),
    }


def _wish(body: Json) -> Wish:
    name, paths, events = body.get("name"), body.get("paths"), body.get("events", EVENT_TYPES)
    delivery = body.get("delivery")
    how = delivery if isinstance(delivery, dict) else {}
    buffer = how.get("buffer_size", DEFAULT_BUFFER)
    checks = {
        "name": (isinstance(name, str) and bool(name), "a text is needed"),
        "paths": (bool(paths) and _are_texts(paths), "a list of globs is needed"),
        "events": (bool(events) and _are_known(events), f"some of {' '.join(EVENT_TYPES)}"),
        "delivery.type": (how.get("type") == "polling", "polling; this server sends no webhooks"),
        "delivery.buffer_size": (type(buffer) is int and buffer >= 1, "a number from 1"),
    }
    if wrong := {name: expected for name, (holds, expected) in checks.items() if not holds}:
        raise invalid(wrong)
    return Wish(name=str(name), paths=tuple(paths or ()), events=tuple(events), buffer_size=buffer)


def _are_known(events: Any) -> bool:
    return isinstance(events, list | tuple) and all(event in EVENT_TYPES for event in events)


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
