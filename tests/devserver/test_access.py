"""Access: tokens, scopes, globs, tenants, and client-credentials tokens."""

from __future__ import annotations

import base64

import httpx
import pytest

from vaultconfig.devserver import DevServer


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, "authentication_required"),
        ("Bearer", "authentication_required"),
        ("Basic abc", "authentication_required"),
        ("Bearer nobody", "token_invalid"),
    ],
)
def test_tokens_that_are_not_known(
    server: DevServer, authorization: str | None, expected: str
) -> None:
    """No token and a wrong one have codes of their own."""
    headers = {"Authorization": authorization} if authorization else {}
    for method, path in (("GET", "/v1/secrets/a"), ("GET", "/v1/auth/whoami")):
        answer = httpx.request(method, server.url + path, headers=headers)
        assert code(answer) == (401, expected)


def test_tokens_expire_and_are_revoked(server: DevServer, connect, clock) -> None:
    """A token serves until its last moment, and not at it."""
    token = server.add_token(expires_in=60)
    http = connect(server, token)
    clock.advance(59.9)
    assert http.get("/v1/auth/whoami").status_code == 200
    clock.advance(0.1)
    assert code(http.get("/v1/auth/whoami")) == (401, "token_expired")
    revoked = server.add_token()
    server.revoke(revoked)
    assert code(connect(server, revoked).get("/v1/auth/whoami")) == (401, "token_revoked")


def test_scopes(server: DevServer, connect) -> None:
    """Reading takes secrets:read, writing and deleting secrets:write; admin has both."""
    server.put("a", {})
    reader = connect(server, server.add_token(scopes=("secrets:read",)))
    writer = connect(server, server.add_token(scopes=("secrets:write",)))
    admin = connect(server, server.add_token(scopes=("admin",)))
    reads = [("GET", "/v1/secrets/a", None), ("GET", "/v1/secrets", None)]
    reads.append(("POST", "/v1/secrets/batch", {"paths": ["a"]}))
    writes = [("PUT", "/v1/secrets/a", {"data": {}}), ("DELETE", "/v1/secrets/a", None)]
    for refused, requests in ((writer, reads), (reader, writes)):
        for method, path, body in requests:
            answer = refused.request(method, path, json=body)
            assert code(answer) == (403, "insufficient_scope")
    assert [
        admin.request(method, path, json=body).status_code for method, path, body in reads + writes
    ] == [200] * 5


def test_globs(server: DevServer, connect) -> None:
    """A policy's globs decide per path; a denied path does not tell whether it exists."""
    server.put("a/there", {})
    http = connect(server, server.add_token(read=("b/**",), write=("b/*",)))
    assert code(http.get("/v1/secrets/a/there")) == (403, "access_denied")
    assert code(http.get("/v1/secrets/a/missing")) == (403, "access_denied")
    assert code(http.get("/v1/secrets/b/missing")) == (404, "secret_not_found")
    assert code(http.put("/v1/secrets/b/c/d", json={"data": {}})) == (403, "access_denied")
    assert code(http.delete("/v1/secrets/b/c/d")) == (403, "access_denied")
    assert http.put("/v1/secrets/b/c", json={"data": {}}).status_code == 201


def test_tenants(server: DevServer, connect) -> None:
    """Tenants share nothing, and X-Tenant-ID is for those who may act in another."""
    server.put("a", {"of": "dev"})
    server.put("a", {"of": "acme"}, tenant="acme")
    partner = server.add_token(other_tenants=("acme",))
    there = {"X-Tenant-ID": "acme"}
    assert connect(server, partner).get("/v1/secrets/a").json()["data"] == {"of": "dev"}
    acting = connect(server, partner, **there)
    assert acting.get("/v1/secrets/a").json()["data"] == {"of": "acme"}
    assert acting.get("/v1/auth/whoami").json()["tenant_id"] == "acme"
    stranger = connect(server, server.add_token(), **there)
    assert code(stranger.get("/v1/secrets/a")) == (403, "tenant_access_denied")
    native = connect(server, server.add_token(tenant_id="acme"))
    assert native.get("/v1/secrets/a").json()["data"] == {"of": "acme"}


def ask(server: DevServer, **form: str) -> httpx.Response:
    return httpx.post(
        f"{server.url}/oauth/token", data={"grant_type": "client_credentials", **form}
    )


def test_a_token_for_a_form(server: DevServer, connect, clock) -> None:
    """A client's pair in the form gets a token that lives as long as it says."""
    server.add_client("billing", "s3cret", scopes=("secrets:read",))
    answer = ask(server, client_id="billing", client_secret="s3cret", scope="secrets:read")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert {**body, "access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "secrets:read",
    }
    http = connect(server, body["access_token"])
    assert http.get("/v1/auth/whoami").json()["identity_id"] == "billing"
    clock.advance(3600)
    assert code(http.get("/v1/auth/whoami")) == (401, "token_expired")


@pytest.mark.parametrize("encoded", [False, True])
def test_a_token_for_basic(server: DevServer, encoded: bool) -> None:
    """The pair may come as HTTP Basic, encoded as the RFC has it or as it stands."""
    server.add_client("billing", "p&%:+ä")
    secret = "p%26%25%3A%2B%C3%A4" if encoded else "p&%:+ä"
    pair = base64.b64encode(f"billing:{secret}".encode()).decode()
    answer = httpx.post(
        f"{server.url}/oauth/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {pair}"},
    )
    assert answer.status_code == 200
    assert answer.json()["scope"] == "secrets:read secrets:write subscriptions:write"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"client_secret": "wrong"}, (401, "invalid_client")),
        ({"client_id": "nobody"}, (401, "invalid_client")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type")),
        ({"scope": "secrets:read admin"}, (400, "invalid_scope")),
    ],
)
def test_refusals_of_the_token_endpoint(
    server: DevServer, form: dict[str, str], expected: tuple[int, str]
) -> None:
    """What the endpoint refuses has the errors of RFC 6749, not the envelope."""
    server.add_client("billing", "s3cret")
    answer = ask(server, **{"client_id": "billing", "client_secret": "s3cret", **form})
    assert (answer.status_code, answer.json()["error"]) == expected


def test_malformed_token_requests(server: DevServer) -> None:
    """JSON, a field given twice, and two ways of authenticating at once are refused."""
    server.add_client("billing", "s3cret")
    url = f"{server.url}/oauth/token"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    basic = {"Authorization": "Basic " + base64.b64encode(b"billing:s3cret").decode()}
    grant = "grant_type=client_credentials"
    bad = [
        httpx.post(url, json={"grant_type": "client_credentials"}),
        httpx.post(url, content=f"{grant}&scope=a&scope=b", headers=form),
        httpx.post(url, content=b"\xff", headers=form),
        httpx.post(url, content=f"{grant}&client_secret=s3cret", headers=form | basic),
    ]
    assert [(r.status_code, r.json()["error"]) for r in bad] == [(400, "invalid_request")] * 4
    for authorization in ("Basic !", "Basic eA==", "Bearer x"):
        refused = httpx.post(url, content=grant, headers=form | {"Authorization": authorization})
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_all_tokens_of_an_identity_share_its_limits(connect, clock) -> None:
    """Limits count per identity, so a new token is not a new allowance."""
    with DevServer(limits={"whoami": 1}, clock=clock) as server:
        tokens = [server.add_token(identity_id="svc") for _ in range(2)]
        answers = [connect(server, token).get("/v1/auth/whoami") for token in tokens]
        assert [answer.status_code for answer in answers] == [200, 429]


def test_no_token_or_value_in_a_repr(server: DevServer) -> None:
    """What a traceback with locals would print of the server holds no token and no value."""
    server.add_client("billing", "canary-secret")
    server.put("a", {"x": "canary-value"})
    instance = server._instance
    token = instance.identities.authenticate(f"Bearer {server.token}", now=0)
    client = instance.identities.clients["billing"]
    shown = repr([instance.contents.find(("dev", "a")), client, token, server])
    assert "canary" not in shown
    assert server.token not in shown
