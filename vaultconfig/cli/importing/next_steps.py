"""What is left to do after an import, as lines for a shell; looks only at names and modes of files.

In production no `.env` is read, so that what stays has to be set. Following the lines ends in
settings that are equal to the old ones. A secret does not show in them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from keyword import iskeyword

import click

from vaultconfig.cli.importing.plan import Fate
from vaultconfig.connection.environment import VARIABLE, Environment
from vaultconfig.errors import ConfigurationError
from vaultconfig.render import files


def free_module() -> str:
    """Return the file name of a module that is not there yet."""
    stem = "settings"
    # A package of that name would be imported in its place.
    while any(os.path.lexists(name) for name in (stem, f"{stem}.py")):
        stem = f"vault_{stem}"
    return f"{stem}.py"


def check_module(file: str, source: str) -> None:
    """Check that *file* can be the module with *source*.

    Raises:
        click.UsageError: It can't be imported.
        ConfigurationError: It exists, and has other content.
    """
    stem, suffix = os.path.splitext(os.path.basename(file))
    if suffix != ".py" or not stem.isidentifier() or iskeyword(stem):
        raise click.UsageError("-o takes the file of a Python module, such as settings.py")
    if files.read(file) not in (None, source):
        raise ConfigurationError(
            f"{file} exists and is something else: choose another file with -o"
        )


def next_steps(
    fates: Sequence[Fate],
    environment: Environment,
    *,
    file: str,
    module: str,
    source: str | None,
    again: Sequence[str],
) -> Iterator[str]:
    """Yield the lines.

    Args:
        fates: What became of the variables.
        environment: That of the import.
        file: Where they stood.
        module: Where the class is, or is to be.
        source: The class, where that is still to be saved.
        again: The command that turns the lines that moved into comments, if there are any.
    """
    if source is not None:
        yield f"cat > {shlex.quote(module)} <<'EOF'\n{source}EOF"
    # By python-dotenv's own command, before anything else is set that could change its answer.
    for key in (fate.key for fate in fates if fate.how == "file"):
        yield f'export {key}="$(dotenv -f {shlex.quote(file)} get {key})"'
    if environment.name is not None:
        yield f"export {VARIABLE}={shlex.quote(environment.name)}"
    for fate in fates:
        if fate.how == "text":
            yield f"export {fate.key}={shlex.quote(str(fate.variable.value))}"
    if os.stat(file).st_mode & files.NOT_FOR_OTHERS:
        yield f"chmod 600 {shlex.quote(file)}"
    directory, name = os.path.split(module)
    check = f"vaultconfig check {name.removesuffix('.py')}:Settings"
    check = f"(cd {shlex.quote(directory)} && {check})" if directory else check
    yield f"{check} &&\n  {shlex.join(again)}" if again else check
