"""The command ``vaultconfig``: a module a command, each loaded when it is asked for.

Importing it loads click and nothing else of weight, so that ``--help`` is there at once.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from vaultconfig.cli import streams

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_DEBUG: Final = "vaultconfig.debug"
_COMPLETE: Final = "_VAULTCONFIG_COMPLETE"

_COMMANDS: Final = {
    "render": ("render", "Write settings into a file."),
    "run": ("run", "Run a program with settings in its environment."),
    "check": ("check", "Check settings, connection and files, and change nothing."),
    "diff": ("diff", "Compare the vault's fields in two environments."),
    "template": ("template", "Print a .env.example for a settings class."),
    "refs": ("refs", "List the references, without asking the vault."),
    "whoami": ("whoami", "Show the identity and scopes of the current token."),
    "get": ("get", "Print one value."),
    "put": ("put", "Write a secret."),
    "ls": ("ls", "List secrets."),
    "rm": ("rm", "Delete a secret."),
    "import": ("import_", "Copy the secrets of a .env into the vault."),
    "store": ("store", "Make a key for the store, or remove what is stored."),
    "dev-server": ("dev_server", "Run a local ScaiVault, for development."),
    "demo": ("demo", "Show the whole story on a local ScaiVault, in seconds."),
}
"""For each command its module here, with a function of that name, and its line in the help."""


class _Commands(click.Group):
    """Finds commands by name, and turns what they raise into lines and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, which is loaded now."""
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), module)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that *args* begin with, or suggest another."""
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from vaultconfig.cli.wording import suggestion

            ctx.fail(f"there is no command {name!r}{suggestion(name, _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, without loading them."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=line)
            for name, (_, line) in _COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error becomes lines on standard error and an exit code."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            end_by(signal.SIGINT)
        except BrokenPipeError:
            end_by(getattr(signal, "SIGPIPE", signal.SIGTERM))  # Windows has no SIGPIPE
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as exc:  # whatever it is, its message or traceback could show values
            from vaultconfig.cli.failures import report

            return ctx.exit(report(exc, debug=_DEBUG in ctx.meta))


def _remember_debug(ctx: click.Context, _parameter: click.Parameter, value: object) -> None:
    if value:
        ctx.meta[_DEBUG] = True


def _set_environment(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        os.environ["VAULTCONFIG_ENVIRONMENT"] = value


def end_by(number: signal.Signals) -> NoReturn:
    """End quietly, the way a program ends that never heard of this signal."""
    with suppress(OSError):  # SIGKILL is never anything else
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_remember_debug,
    help="Show tracebacks, without values.",
)

environment_option = click.option(
    "-e",
    "--environment",
    metavar="NAME",
    expose_value=False,
    callback=_set_environment,
    help="The environment, as if VAULTCONFIG_ENVIRONMENT=NAME were exported.",
)


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "color": False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None,
    },
)
@click.version_option(package_name="scaivault-config", message="vaultconfig %(version)s")
@environment_option
@debug_option
def vaultconfig() -> None:
    """Typed settings whose secrets live in ScaiVault.

    \b
    Exit codes: 0 ok, 1 something differs or is missing, 2 usage, 3 configuration,
    4 authentication, 5 denied or not found, 6 unavailable.
    """


def main(name: str = "vaultconfig") -> None:
    """Run the command line of this process, which was called by *name*."""
    streams.prepare()
    if _COMPLETE in os.environ:
        from click.shell_completion import add_completion_class

        from vaultconfig.cli.shells import Bash

        add_completion_class(Bash)
    try:
        vaultconfig(prog_name=name, complete_var=_COMPLETE)
    except Exception as exc:  # of --help or --version, which cannot be written
        from vaultconfig.cli.failures import report

        sys.exit(report(exc, debug=False))
