"""``vaultconfig demo``: the whole story on a local ScaiVault, in seconds, and nothing is left.

Each step says what it did and checks that it did it.
"""

from __future__ import annotations

import inspect
import os
import secrets
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import click
from pydantic import SecretStr

from vaultconfig.cli import debug_option
from vaultconfig.connection.connection import read_connection
from vaultconfig.inspection import gather
from vaultconfig.live import LiveSettings
from vaultconfig.masking.values import MASK
from vaultconfig.render import dotenv, files
from vaultconfig.render.proof import settings_variables
from vaultconfig.settings import VaultSettings, provenance
from vaultconfig.vaults.shared import connect

PATH: Final = "environments/production/salesforce/api-credentials"
_KEPT: Final = ("PATH", "HOME")


class Salesforce(VaultSettings):
    """What an application declares."""

    client_id: Annotated[SecretStr, f"vault:{PATH}#client_id"]
    client_secret: Annotated[SecretStr, f"vault:{PATH}#client_secret"]
    first_secret: Annotated[SecretStr, f"vault:{PATH}?version=1#client_secret"]


@click.command()
@debug_option
def demo() -> None:
    """Show the whole story on a local ScaiVault, in seconds.

    It works in a temporary directory, which it removes.

    \b
    Example:
      vaultconfig demo
    """
    from vaultconfig.devserver import DevServer  # an extra

    with _alone(), DevServer() as vault:
        os.environ |= {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token}
        _say("A local ScaiVault is running", f"at {vault.url}")
        _show_everything()


@contextmanager
def _alone() -> Iterator[None]:
    """Work in a fresh directory, and in an environment that holds nothing of the caller's."""
    before = dict(os.environ)
    with TemporaryDirectory(prefix="vaultconfig-") as directory, chdir(directory):
        os.environ.clear()
        os.environ |= {name: before[name] for name in _KEPT if name in before}
        os.environ["NO_PROXY"] = "127.0.0.1"
        try:
            yield
        finally:
            os.environ.clear()
            os.environ |= before


def _show_everything() -> None:
    first, second, third = (secrets.token_urlsafe(24) for _ in range(3))
    _write_credential(first, version=1)
    _say("An application declares what it needs")
    click.echo(inspect.getsource(Salesforce))
    settings = Salesforce()
    _say("and gets it, typed and masked, with one Salesforce()", repr(settings))
    _expect(_client_secret(settings) == first, "the value that was written")
    _expect(first not in repr(settings), "masks in a repr")
    with LiveSettings(Salesforce) as live:
        _write_credential(second, version=2)
        live.refresh()
        before = live.current
        versions = [f"{name}: version {by.version}" for name, by in provenance(before).items()]
        _say("A pinned version stays, the others follow", ", ".join(versions))
        _expect(before.first_secret.get_secret_value() == first, "the pinned version")
        _expect(_client_secret(before) == second, "the newest version")
        _render_and_load_back()
        _write_credential(third, version=3)
        live.refresh()
        after = live.current
    version = provenance(after)["client_secret"].version
    _say(
        "After the rotation, a refresh brings the new value",
        f"client_secret is version {version}: {after.client_secret!r}",
    )
    _expect(_client_secret(after) == third != _client_secret(before), "the rotated value")
    click.secho("\nThat is all. Next: docs/tutorial.md, or vaultconfig dev-server.", bold=True)


def _write_credential(client_secret: str, *, version: int) -> None:
    credential = {"client_id": "demo-application", "client_secret": client_secret}
    with connect(read_connection(os.environ)) as client:
        result = client.write(PATH, credential, description="Salesforce API")
    _say("A credential was written", f"to {PATH}, version {result.version}")
    _expect(result.version == version, "the next version of the secret")


def _render_and_load_back() -> None:
    values = {variable.key: variable.text for variable in settings_variables(gather(Salesforce))}
    files.write(".env", dotenv.update("# of the demo\nDEBUG=1\n", values))
    _say("vaultconfig render writes a .env, with mode 0600")
    for key, value in dotenv.parse(files.read(".env") or "").items():
        click.echo(f"    {key}={MASK if key in values else value}")
    original = Salesforce()
    token = os.environ.pop("SCAIVAULT_TOKEN")  # so that the vault can't be asked
    loaded = Salesforce(_vault_environment="development")
    os.environ["SCAIVAULT_TOKEN"] = token
    _expect(loaded == original, "equal settings from the .env")
    _say("which loads back equal, without a vault", f"client_secret: {loaded.client_secret!r}")


def _client_secret(settings: Salesforce) -> str:
    return settings.client_secret.get_secret_value()


def _say(what: str, detail: str = "") -> None:
    click.echo(f"{click.style('•', fg='green')} {what}" + (f"\n    {detail}" if detail else ""))


def _expect(holds: bool, what: str) -> None:  # noqa: FBT001 - reads like an assertion
    if not holds:
        raise click.ClickException(f"the demo did not show what it should: {what}")
