"""``vaultconfig dev-server``: a local ScaiVault until Ctrl-C."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from vaultconfig.connection.urls import is_loopback

_ENDINGS = (signal.SIGINT, signal.SIGTERM)


@click.command("dev-server")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8200,
    show_default=True,
    envvar="VAULTCONFIG_DEV_PORT",
    show_envvar=True,
    help="Port to listen on; 0 is a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Allow a --host that other machines can reach.")
@click.option(
    "--seed", type=click.Path(path_type=Path), help="File of secrets to start with, by path."
)
@click.option("--state", type=click.Path(path_type=Path), help="Keep the contents in this file.")
@click.option(
    "--token",
    envvar="VAULTCONFIG_DEV_TOKEN",
    show_envvar=True,
    help="The token; a new one by default.",
)
@click.option("--quickstart-only", is_flag=True, help="Support only the Quickstart's operations.")
@click.option("--no-subscriptions", is_flag=True, help="Disable change subscriptions.")
@click.option("--no-rate-limits", is_flag=True, help="Disable the rate limits.")
def dev_server(
    *,
    host: str,
    allow_remote: bool,
    seed: Path | None,
    no_subscriptions: bool,
    no_rate_limits: bool,
    **options: Any,
) -> None:
    """Run a local ScaiVault, for development and tests only.

    Nothing in it is encrypted, and its token allows everything.

    \b
    Example:
      vaultconfig dev-server --seed secrets.toml
    """
    if not (allow_remote or is_loopback(host)):
        raise click.UsageError(
            f"{host} is not a loopback address: use 127.0.0.1, or add --allow-remote if other"
            " machines may reach the server"
        )
    from vaultconfig.devserver import DOCUMENTED_LIMITS, DevServer  # an extra

    limits = None if no_rate_limits else DOCUMENTED_LIMITS
    server = DevServer(host=host, limits=limits, subscriptions=not no_subscriptions, **options)
    if seed is not None:
        server.seed(seed)
    with _endings_wait(), server:  # it starts threads
        click.echo(
            f"A local ScaiVault, for development only, at {server.url}\n"
            "Paste this where your application runs:\n\n"
            f"export SCAIVAULT_URL={server.url}\n"
            f"export SCAIVAULT_TOKEN={shlex.quote(server.token)}\n\n"
            "Ctrl-C ends it."
        )
        signal.sigwait(_ENDINGS)


@contextmanager
def _endings_wait() -> Iterator[None]:
    """Leave the signals that end this process to `sigwait`, in this thread and those it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        while signal.sigtimedwait(_ENDINGS, 0):  # an impatient second Ctrl-C
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
