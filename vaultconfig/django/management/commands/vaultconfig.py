"""``manage.py vaultconfig render`` and ``check``: our command line, for the project's settings."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vaultconfig.django.loading import Loaded, loaded


class Command(BaseCommand):
    """Runs a command of vaultconfig with the class that settings.py has loaded."""

    help = "Runs 'vaultconfig render' or 'vaultconfig check' for the settings of this project."
    requires_system_checks: tuple[()] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take a command and its arguments."""
        parser.add_argument("subcommand", choices=["render", "check"])
        parser.add_argument("arguments", nargs=REMAINDER, help="those of 'vaultconfig COMMAND'")

    def handle(self, *, subcommand: str, arguments: list[str], **_: Any) -> None:
        """Run it; its exit code is that of the process."""
        project = loaded()
        if project is None:
            raise CommandError("call vaultconfig.django.load(Settings) in settings.py first")
        from vaultconfig.cli import vaultconfig

        vaultconfig.main(
            [subcommand, *_named(project), *arguments], prog_name="manage.py vaultconfig"
        )


def _named(project: Loaded) -> list[str]:
    """Return the arguments that tell the command line what `load` was told."""
    cls = project.settings_cls
    if "<locals>" in cls.__qualname__:
        raise CommandError(f"{cls.__name__} is defined inside a function: move it to a module")
    environment = project.arguments.get("_vault_environment")
    target = f"{cls.__module__}:{cls.__qualname__}"
    return [target] if environment is None else ["-e", environment, target]
