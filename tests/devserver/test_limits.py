"""Token buckets, by a clock of their own, and the headers that tell of them."""

from __future__ import annotations

import httpx

from vaultconfig.devserver import DOCUMENTED_LIMITS, DevServer
from vaultconfig.devserver.limits import RateLimits


def test_the_documented_numbers() -> None:
    """The limits are ScaiVault's."""
    assert DOCUMENTED_LIMITS == {
        "read": 1000,
        "batch": 100,
        "list": 100,
        "write": 100,
        "whoami": 300,
        "subscription": 20,
        "poll": 240,
    }


def test_a_bucket_empties_and_refills() -> None:
    """Sixty a minute are sixty at once, then one a second."""
    limits = RateLimits({"read": 60})
    granted = [limits.take("me", "read", now=0) for _ in range(60)]
    assert all(a is not None and a.retry_after is None for a in granted)
    assert [granted[0].remaining, granted[-1].remaining] == [59, 0]
    assert [granted[0].reset_at, granted[-1].reset_at] == [1, 60]
    refused = limits.take("me", "read", now=0.5)
    assert (refused.remaining, refused.retry_after) == (0, 1)
    assert limits.take("me", "read", now=1).retry_after is None
    assert limits.take("me", "read", now=1).retry_after == 1


def test_a_bucket_never_holds_more_than_a_minute() -> None:
    """An idle hour allows no more than an idle minute."""
    limits = RateLimits({"list": 2})
    limits.take("me", "list", now=0)
    results = [limits.take("me", "list", now=3600).retry_after for _ in range(3)]
    assert results == [None, None, 30]


def test_many_units_at_once() -> None:
    """What is not all there takes nothing; more than fits empties the bucket."""
    limits = RateLimits({"read": 60})
    assert limits.take("me", "read", now=0, units=50).remaining == 10
    assert limits.take("me", "read", now=0, units=30).retry_after == 20
    assert limits.take("me", "read", now=0, units=10).remaining == 0
    assert limits.take("me", "read", now=60, units=100).retry_after is None


def test_buckets_are_apart() -> None:
    """Identities and kinds don't take from each other, a clock that goes back gives nothing."""
    limits = RateLimits({"read": 1, "write": 1})
    assert limits.take("a", "read", now=100).retry_after is None
    assert limits.take("b", "read", now=100).retry_after is None
    assert limits.take("a", "write", now=100).retry_after is None
    assert limits.take("a", "read", now=40).retry_after == 60
    assert limits.take("a", "other", now=100) is None


def test_headers(connect, clock) -> None:
    """Answers tell limit, rest and reset; a refusal also when to come back."""
    with DevServer(limits={"whoami": 2}, clock=clock) as server:
        http = connect(server)
        answers = [http.get("/v1/auth/whoami") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[0].headers["X-RateLimit-Limit"] == "2"
        assert answers[0].headers["X-RateLimit-Reset"] == str(1_800_000_030)
        assert "Retry-After" not in answers[1].headers
        assert answers[2].headers["Retry-After"] == "30"
        assert answers[2].json()["error"]["code"] == "rate_limited"
        clock.advance(30)
        assert http.get("/v1/auth/whoami").status_code == 200


def test_errors_count_and_carry_the_headers(connect, clock) -> None:
    """A request that fails after it was counted says what is left."""
    with DevServer(limits={"read": 5}, clock=clock) as server:
        answer = connect(server).get("/v1/secrets/missing")
        assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (404, "4")


def test_a_batch_costs_a_read_for_each_path_returned(connect, clock) -> None:
    """Three paths of which two exist are one batch and two reads."""
    with DevServer(limits={"read": 5, "batch": 3}, clock=clock) as server:
        http = connect(server)
        for path in "ab":
            server.put(path, {})

        def batch() -> httpx.Response:
            return http.post("/v1/secrets/batch", json={"paths": ["a", "b", "missing"]})

        assert batch().headers["X-RateLimit-Remaining"] == "2"
        assert http.get("/v1/secrets/a").headers["X-RateLimit-Remaining"] == "2"
        assert batch().status_code == 200
        refused = batch()
        assert refused.json()["error"]["code"] == "rate_limited"
        assert refused.headers["X-RateLimit-Limit"] == "5"
        assert refused.headers["Retry-After"] == "24"
        assert batch().headers["X-RateLimit-Limit"] == "3"


def test_each_operation_has_its_bucket(connect, clock) -> None:
    """Reads, batches, lists, writes and whoami are counted apart; health is not counted."""
    with DevServer(limits=DOCUMENTED_LIMITS, clock=clock) as server:
        http = connect(server)
        requests = {
            ("PUT", "/v1/secrets/a"): "99",
            ("GET", "/v1/secrets/a"): "999",
            ("GET", "/v1/secrets"): "99",
            ("POST", "/v1/secrets/batch"): "99",
            ("DELETE", "/v1/secrets/a"): "98",
            ("GET", "/v1/auth/whoami"): "299",
            ("GET", "/v1/health"): None,
        }
        body = {"data": {}, "paths": ["a"]}
        found = {
            (method, path): http.request(method, path, json=body).headers.get(
                "X-RateLimit-Remaining"
            )
            for method, path in requests
        }
        assert found == requests


def test_no_limits_no_headers(http: httpx.Client) -> None:
    """A server without limits has nothing to tell."""
    assert "X-RateLimit-Limit" not in http.get("/v1/auth/whoami").headers
