"""Where the vault is and who we are: the variables, and what is refused."""

import os
import ssl
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from tests.settings.loading import unresolved
from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.connection.connection import Connection, read_connection
from vaultconfig.devserver import DevServer
from vaultconfig.errors import AuthenticationError, ConfigurationError, VaultConfigError
from vaultconfig.vaults.shared import close_vaults


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"] = "from default"


def test_the_defaults() -> None:
    """Names and defaults are ScaiVault's where its tools have one."""
    connection = read_connection({})
    assert connection.url == "https://scaivault.scailabs.ai"
    assert connection.token_url == "https://scaikey.scailabs.ai/oauth/token"
    assert (connection.scope, connection.client_auth) == ("secrets:read", "form")
    assert (connection.ttl, connection.max_stale, connection.deadline) == (300.0, 86400.0, None)
    assert (connection.tenant, connection.allow_http) == (None, False)
    assert not connection.has_credentials


def test_all_of_it_from_the_environment() -> None:
    """Each setting has its variable; empty ones count as absent."""
    connection = read_connection(
        {
            "SCAIVAULT_URL": "https://vault.example.com/",
            "SCAIKEY_CLIENT_ID": "id",
            "SCAIKEY_CLIENT_SECRET": "secret",
            "SCAIKEY_TOKEN_URL": "https://key.example.com/token",
            "VAULTCONFIG_SCOPE": "secrets:*",
            "VAULTCONFIG_CLIENT_AUTH": "basic",
            "SCAIVAULT_TENANT_ID": "tenant",
            "VAULTCONFIG_DEADLINE": "2m",
            "VAULTCONFIG_TTL": "1h",
            "VAULTCONFIG_MAX_STALE": "0",
            "VAULTCONFIG_ALLOW_HTTP": "1",
            "SCAIVAULT_TOKEN": "",
            "VAULTCONFIG_TOKEN_FILE": "",
        }
    )
    assert connection.url == "https://vault.example.com"
    assert (connection.client_id, connection.client_auth) == ("id", "basic")
    assert (connection.deadline, connection.ttl, connection.max_stale) == (120.0, 3600.0, 0.0)
    assert (connection.tenant, connection.scope, connection.allow_http) == (
        "tenant",
        "secrets:*",
        True,
    )


def test_it_does_not_show_its_credentials() -> None:
    """A connection prints no token and no secret."""
    told = repr(read_connection({"SCAIVAULT_TOKEN": "canary"}))
    told += repr(read_connection({"SCAIKEY_CLIENT_ID": "id", "SCAIKEY_CLIENT_SECRET": "canary"}))
    assert "canary" not in told


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (
            {"SCAIVAULT_TOKEN": "a", "VAULTCONFIG_TOKEN_FILE": "b"},
            "TOKEN and VAULTCONFIG_TOKEN",
        ),
        (
            {"SCAIVAULT_TOKEN": "a", "SCAIKEY_CLIENT_ID": "b"},
            "TOKEN and SCAIKEY_CLIENT_ID",
        ),
        (
            {"VAULTCONFIG_TOKEN_FILE": "a", "SCAIKEY_CLIENT_ID": "b"},
            "TOKEN_FILE and SCAIKEY_CL",
        ),
        (
            {"SCAIVAULT_TOKEN": "a", "SCAIKEY_CLIENT_SECRET": "canary"},
            "CLIENT_ID is missing",
        ),
        ({"SCAIKEY_CLIENT_ID": "a"}, "SCAIKEY_CLIENT_SECRET is missing"),
        ({"SCAIVAULT_URL": "vault.example.com"}, "SCAIVAULT_URL: "),
        ({"SCAIVAULT_URL": "ftp://vault.example.com"}, "SCAIVAULT_URL: "),
        ({"SCAIVAULT_URL": "https://user:canary@vault.example.com"}, "without credentials"),
        ({"SCAIVAULT_URL": "https://vault.example.com:port"}, "SCAIVAULT_URL"),
        ({"SCAIVAULT_URL": "https://vault.example.com/?x=canary"}, "SCAIVAULT_URL"),
        ({"VAULTCONFIG_TTL": "canary"}, "VAULTCONFIG_TTL: "),
        ({"VAULTCONFIG_TTL": "0"}, "VAULTCONFIG_TTL: "),
        ({"VAULTCONFIG_DEADLINE": "-1"}, "VAULTCONFIG_DEADLINE: "),
        ({"VAULTCONFIG_CLIENT_AUTH": "canary"}, "VAULTCONFIG_CLIENT_AUTH: "),
        ({"VAULTCONFIG_ALLOW_HTTP": "canary"}, "VAULTCONFIG_ALLOW_HTTP: "),
    ],
)
def test_mistakes_are_named_without_their_values(variables: dict[str, str], told: str) -> None:
    """Two credentials, half of one, and what makes no sense are errors that name the variable."""
    with pytest.raises(ConfigurationError, match=told) as caught:
        read_connection(variables)
    assert "canary" not in f"{caught.value!r} {caught.value.__context__!r}"


@pytest.mark.parametrize("name", ["SCAIVAULT_URL", "SCAIKEY_TOKEN_URL"])
@pytest.mark.usefixtures("few_tries")
def test_plain_http_is_for_loopback(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nothing is sent in clear to another machine unless it is allowed."""
    monkeypatch.setenv("SCAIKEY_CLIENT_ID", "id")
    monkeypatch.setenv("SCAIKEY_CLIENT_SECRET", "secret")
    monkeypatch.setenv("SCAIVAULT_URL", "https://127.0.0.1:9")
    monkeypatch.setenv(name, "http://vault.example.com")
    with pytest.raises(ConfigurationError, match="http"):
        Settings()
    monkeypatch.setenv(name, "http://vault.invalid")
    monkeypatch.setenv("VAULTCONFIG_ALLOW_HTTP", "1")
    with pytest.raises(VaultConfigError) as caught:
        Settings()
    assert not isinstance(caught.value, ConfigurationError)


def test_a_token_file_is_read_again(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that another process rotates is looked at for each request."""
    file = tmp_path / "token"
    file.write_text("not-the-right-one")
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    monkeypatch.setenv("VAULTCONFIG_TOKEN_FILE", str(file))
    with pytest.raises(AuthenticationError):
        Settings()
    file.write_text(f"{app.token}\n")
    assert Settings().token == "from vault"


@pytest.mark.parametrize("place", ["variable", ".env", "file", "client credentials"])
def test_a_rejected_token_is_traced_to_its_source(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    """The error names the variable or file that the token came from, and the vault's URL."""

    class Strict(VaultSettings):
        model_config = VaultConfigDict(vault_fallback="never")
        token: Annotated[str, "vault:app#token"]

    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    if place == "variable":
        monkeypatch.setenv("SCAIVAULT_TOKEN", "canary")
        source = "the token from SCAIVAULT_TOKEN"
    elif place == ".env":
        monkeypatch.delenv("SCAIVAULT_TOKEN")
        (tmp_path / ".env").write_text("SCAIVAULT_TOKEN=canary\n")
        monkeypatch.chdir(tmp_path)
        source = "the token from SCAIVAULT_TOKEN in .env"
    elif place == "file":
        monkeypatch.delenv("SCAIVAULT_TOKEN")
        (tmp_path / "token").write_text("canary")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("VAULTCONFIG_TOKEN_FILE", "~/token")
        source = f"the token from the token file {tmp_path / 'token'}"
    else:
        monkeypatch.delenv("SCAIVAULT_TOKEN")
        app.add_client("id", "canary")
        monkeypatch.setenv("SCAIKEY_CLIENT_ID", "id")
        monkeypatch.setenv("SCAIKEY_CLIENT_SECRET", "canary")
        monkeypatch.setenv("SCAIKEY_TOKEN_URL", f"{app.url}/oauth/token")
        app.fault(path="/v1/**", code="token_invalid")
        source = "the token for the client credentials (SCAIKEY_CLIENT_ID)"
    with pytest.raises(AuthenticationError) as caught:
        Strict()
    told = str(caught.value)
    assert f"the vault rejected {source} (token_invalid) at {app.url}: check that it" in told
    assert "canary" not in told


@pytest.mark.parametrize("style", ["form", "basic"])
def test_client_credentials(app: DevServer, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    """Client credentials are exchanged for a token at the token URL."""
    app.add_client("id", "s3cret")
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    monkeypatch.setenv("SCAIKEY_CLIENT_ID", "id")
    monkeypatch.setenv("SCAIKEY_CLIENT_SECRET", "s3cret")
    monkeypatch.setenv("SCAIKEY_TOKEN_URL", f"{app.url}/oauth/token")
    monkeypatch.setenv("VAULTCONFIG_CLIENT_AUTH", style)
    assert Settings().token == "from vault"
    assert [request.path for request in app.requests] == ["/oauth/token", "/v1/secrets/app"]


def test_the_tenant_is_sent(app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant goes along with each request."""
    monkeypatch.setenv("SCAIVAULT_TENANT_ID", "dev")
    Settings()
    assert "x-tenant-id" in app.requests[0].header_names


def test_a_ca_bundle_is_taken_from_the_environment(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``SSL_CERT_FILE`` counts as for httpx, so a broken one stops us."""
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SCAIVAULT_URL", app.url.replace("http:", "https:"))
    with pytest.raises((VaultConfigError, ssl.SSLError)) as caught:
        Settings()
    assert isinstance(caught.value, VaultConfigError)


class TestDotEnv:
    """In development the connection may stand in `.env`, wholly."""

    def test_wholly_from_dotenv(self, vault: DevServer, env_file: Any, development: None) -> None:
        """Address and token from one file belong together."""
        vault.put("app", {"token": "from vault"})
        env_file(f"SCAIVAULT_URL={vault.url}\nSCAIVAULT_TOKEN='{vault.token}'\n")
        assert Settings().token == "from vault"

    def test_not_in_production(self, vault: DevServer, env_file: Any) -> None:
        """Outside development `.env` never provides the connection."""
        env_file(f"SCAIVAULT_URL={vault.url}\nSCAIVAULT_TOKEN='{vault.token}'\n")
        with pytest.raises(ConfigurationError, match="no credentials"):
            Settings(_env_file=".env")
        assert not vault.requests

    def test_not_even_a_ttl(self, app: DevServer, env_file: Any) -> None:
        """Outside development nothing of it counts, sensible or not."""
        env_file("VAULTCONFIG_TTL=nonsense\n")
        assert Settings(_env_file=".env").token == "from vault"

    def test_the_environment_wins(self, app: DevServer, env_file: Any, development: None) -> None:
        """What the environment says lies over `.env`."""
        env_file("SCAIVAULT_URL=https://vault.invalid\nVAULTCONFIG_TTL=60\n")
        assert Settings().token == "from vault"

    @pytest.mark.parametrize(
        "stored", ["SCAIVAULT_URL={url}", "SCAIKEY_TOKEN_URL={url}/oauth/token"]
    )
    @pytest.mark.parametrize(
        "elsewhere",
        [
            {"SCAIVAULT_TOKEN": "canary"},
            {"VAULTCONFIG_TOKEN_FILE": "token"},
            {"SCAIKEY_CLIENT_ID": "id", "SCAIKEY_CLIENT_SECRET": "canary"},
        ],
        ids=["token", "token file", "client"],
    )
    def test_a_url_never_meets_a_credential_from_elsewhere(
        self,
        vault: DevServer,
        env_file: Any,
        development: None,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        stored: str,
        elsewhere: dict[str, str],
    ) -> None:
        """A cloned repository can't send your token elsewhere; the warning says what it tried."""
        (tmp_path / "token").write_text("canary")
        for name, value in elsewhere.items():
            monkeypatch.setenv(name, value)
        env_file(stored.format(url=vault.url) + "\nTOKEN=from .env\n")
        assert Settings().token == "from .env"
        assert not vault.requests
        assert stored.partition("=")[0] in caplog.text
        assert "canary" not in caplog.text

    def test_a_token_file_of_yours_named_by_dotenv(
        self, vault: DevServer, env_file: Any, development: None, tmp_path: Path
    ) -> None:
        """A `.env` that names both a URL and a file of yours can't send that file there."""
        (tmp_path / "token").write_text("canary")
        env_file(f"SCAIVAULT_URL={vault.url}\nVAULTCONFIG_TOKEN_FILE={tmp_path / 'token'}\n")
        assert Settings().token == "from default"
        assert not vault.requests

    def test_half_of_the_client_credentials(
        self, vault: DevServer, env_file: Any, development: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A client id from `.env` does not lead the secret from elsewhere astray."""
        monkeypatch.setenv("SCAIKEY_CLIENT_SECRET", "canary")
        env_file(
            f"SCAIVAULT_URL={vault.url}\nSCAIKEY_CLIENT_ID=id\n"
            f"SCAIKEY_TOKEN_URL={vault.url}/oauth/token\n"
        )
        assert Settings().token == "from default"
        assert not vault.requests

    def test_it_may_not_allow_plain_http_for_a_token_from_elsewhere(
        self, env_file: Any, development: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor can it lift the rule about plain HTTP."""
        monkeypatch.setenv("SCAIVAULT_URL", "http://vault.invalid")
        monkeypatch.setenv("SCAIVAULT_TOKEN", "canary")
        env_file("VAULTCONFIG_ALLOW_HTTP=1\n")
        assert Settings().token == "from default"

    def test_without_a_way_out_it_is_an_error(
        self, vault: DevServer, env_file: Any, development: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With nothing to fall back to, the mixture is told for each field."""

        class Required(VaultSettings):
            token: Annotated[str, "vault:app#token"]

        monkeypatch.setenv("SCAIVAULT_TOKEN", "canary")
        env_file(f"SCAIVAULT_URL={vault.url}\n")
        told = str(unresolved(Required))
        assert "SCAIVAULT_URL stands in .env and SCAIVAULT_TOKEN does not come from there" in told
        assert not vault.requests


@pytest.mark.parametrize("extra", ["allow", "forbid", "ignore"])
@pytest.mark.parametrize("case_sensitive", [True, False])
def test_connection_variables_are_no_extras(
    vault: DevServer, env_file: Any, development: None, extra: Any, case_sensitive: bool
) -> None:
    """Our own variables in `.env` are neither forbidden nor kept with the settings."""

    class Strict(Settings):
        model_config = VaultConfigDict(extra=extra, case_sensitive=case_sensitive)

    vault.put("app", {"token": "from vault"})
    env_file(
        f"SCAIVAULT_URL={vault.url}\nSCAIVAULT_TOKEN='{vault.token}'\nVAULTCONFIG_ENVIRONMENT=x\n"
    )
    assert Strict().model_dump() == {"token": "from vault"}
    with pytest.raises(ValidationError) if extra == "forbid" else nullcontext():
        assert Strict(scaivault_url="mine").model_dump() == (
            {"token": "from vault"} | ({"scaivault_url": "mine"} if extra == "allow" else {})
        )


def test_connections_are_values() -> None:
    """Equal connections are one key, and constructing one reads nothing."""
    os.environ["SCAIVAULT_TOKEN"] = "canary"
    try:
        assert Connection() == Connection()
        assert not Connection().has_credentials
        assert hash(Connection()) == hash(Connection())
    finally:
        del os.environ["SCAIVAULT_TOKEN"]


def test_proxies_are_taken_from_the_environment(
    app: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual proxy variables count: what they point at gets the request."""
    with DevServer() as proxy:
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("VAULTCONFIG_DEADLINE", "1")
        close_vaults()
        assert Settings().token == "from vault"  # of this machine, so that no proxy sees it
        assert not proxy.requests
        monkeypatch.setenv("SCAIVAULT_URL", "http://vault.invalid")
        monkeypatch.setenv("VAULTCONFIG_ALLOW_HTTP", "1")
        with pytest.raises(VaultConfigError):
            Settings()
        assert proxy.requests
