"""``vaultconfig render``: settings as a file, or how a file differs from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource
from pydantic_settings import BaseSettings

from vaultconfig.cli.failures import DIFFERS
from vaultconfig.cli.gathering import gathered
from vaultconfig.cli.options import common, output_option, target_argument
from vaultconfig.cli.target import load_target
from vaultconfig.cli.wording import count
from vaultconfig.errors import ConfigurationError
from vaultconfig.render import files
from vaultconfig.render.dialects import FORMATS, Dialect, Document, dialect
from vaultconfig.render.rules import ForeignFileError
from vaultconfig.render.turns import turn
from vaultconfig.source.situation import fallback_rule

_STDOUT: Final = "-"
_NO_DOTENV: Final = (".json", ".yaml", ".yml", ".toml", ".py")
_OF_K8S: Final = {"secret_name": "--secret-name", "namespace": "--namespace", "labels": "--label"}
_SIGNS: Final = {"missing": "+", "changed": "~", "extra": "-", "reference": "~"}


def _octal(_ctx: click.Context, _parameter: click.Parameter, value: str) -> int:
    try:
        return int(value, 8)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a mode such as 0600") from None


def _labels(
    _ctx: click.Context, _parameter: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or key in labels:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE, or KEY is there twice")
        labels[key] = value
    return labels


@click.command()
@target_argument
@output_option("File to write, by default .env; '-' is standard output.")
@click.option(
    "-f", "--format", "format_", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True
)
@click.option(
    "--all", "everything", is_flag=True, help="Also write the fields that another source sets."
)
@click.option("--check", is_flag=True, help="Write nothing; name what differs, and exit with 1.")
@click.option("--diff", is_flag=True, help="The same, and list the keys on standard output.")
@click.option("--watch", is_flag=True, help="Keep the file current, until a signal ends this.")
@click.option(
    "--mode", default="0600", show_default=True, callback=_octal, help="Mode of the file."
)
@click.option("--in-place", is_flag=True, help="Write through a file that is mounted by itself.")
@click.option(
    "--secret-name", default="app-secrets", show_default=True, help="Name of the Secret, for k8s."
)
@click.option("--namespace", metavar="NAME", help="Namespace of the Secret, for k8s.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_labels,
    help="Label of the Secret, for k8s; may be repeated.",
)
@common
@click.pass_context
def render(
    ctx: click.Context,
    /,
    *,
    target: str | None,
    output: str | None,
    format_: str,
    everything: bool,
    check: bool,
    diff: bool,
    watch: bool,
    mode: int,
    in_place: bool,
    secret_name: str,
    namespace: str | None,
    labels: Mapping[str, str],
) -> None:
    """Write what the vault gives to the settings class TARGET into a file.

    An existing dotenv file is updated key by key; the rest of it stays as it is.

    \b
    Example:
      vaultconfig render app.settings:Settings -o .env
    """
    path = output or (".env" if format_ == "dotenv" else None)
    if path is None:
        raise click.UsageError(f"name a file for the format {format_} (-o FILE)")
    is_chosen = ctx.get_parameter_source("format_") is not ParameterSource.DEFAULT
    if not is_chosen and Path(path).suffix.lower() in _NO_DOTENV:
        formats = " or ".join(f"-f {name}" for name in FORMATS)
        raise click.UsageError(f"{path} is hardly a .env: say what to write there ({formats})")
    _reject_together(path, watch=watch, compares=check or diff)
    _reject_options_of_k8s(ctx, format_)
    form = dialect(format_, secret_name=secret_name, namespace=namespace, labels=labels)
    settings_cls = load_target(target)

    def make() -> dict[str, str]:
        found = gathered(settings_cls, vault_first=True, everything=everything)
        return {variable.key: variable.text for variable in found}

    def write(values: Mapping[str, str]) -> list[str]:
        with turn(path):  # two may write their keys into one .env
            text = form.update(_replaceable(form, path, values), values)
            return files.write(path, text, mode=mode, in_place=in_place)

    def write_first(values: Mapping[str, str]) -> None:
        for warning in write(values):
            click.echo(f"Warning: {warning}", err=True)
        click.echo(f"{path}: {count(len(values), 'variable')}, mode {mode:04o}", err=True)
        _say_who_reads(settings_cls, format_)

    if check or diff:
        _compare(form, path, make(), show=diff)
    elif path == _STDOUT:
        click.echo(form.update("", make()).encode(), nl=False)
        _say_who_reads(settings_cls, format_)
    elif not watch:
        write_first(make())
    else:
        from vaultconfig.cli.watching import keep_written

        keep_written(make, path, write_first=write_first, write=write)


def _say_who_reads(settings_cls: type[BaseSettings], format_: str) -> None:
    """Say where a dotenv file is of no use to the class itself."""
    if format_ == "dotenv" and not fallback_rule(settings_cls.model_config, None).is_possible:
        click.echo(
            f"Note: {settings_cls.__name__} reads these from a .env in development only, or with "
            'vault_fallback="always"; here the vault is asked, unless they are exported',
            err=True,
        )


def _reject_together(path: str, *, watch: bool, compares: bool) -> None:
    if path == _STDOUT and compares:
        raise click.UsageError("there is no file to compare with: name one (-o FILE)")
    if watch and (path == _STDOUT or compares):
        raise click.UsageError("--watch keeps a file current: leave out -o -, --check and --diff")


def _reject_options_of_k8s(ctx: click.Context, format_: str) -> None:
    given = [
        option
        for name, option in _OF_K8S.items()
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given and format_ != "k8s":
        raise click.UsageError(f"{given[0]} is for the format k8s: add -f k8s, or leave it out")


def _replaceable(form: Dialect, path: str, values: Mapping[str, str]) -> str:
    """Return the text at *path*, or reject a file whose contents would be lost."""
    existing = files.read(path) or ""
    if not isinstance(form, Document) or not existing.strip():
        return existing
    reason = None
    try:
        form.check_ours(existing, values)
    except ForeignFileError as exc:
        reason = str(exc)
    if reason is None:
        gone = [item.key for item in form.compare(existing, values) if item.kind == "extra"]
        if gone:
            click.echo(f"Note: {path} loses {', '.join(gone)}, which no field gives", err=True)
        if not form.wrote(existing):
            click.echo(f"Note: {path} loses the comments and layout that others gave it", err=True)
        return existing
    error = ConfigurationError(
        f"{path} was not written by vaultconfig and would be lost: remove it, or choose another "
        "file with -o"
    )
    error.add_note(reason)
    raise error


def _compare(form: Dialect, path: str, values: dict[str, str], *, show: bool) -> None:
    """Say how the file at *path* differs from *values*, and exit with 1 if it does."""
    existing = files.read(path)
    try:
        differences = form.compare(existing or "", values)
    except ForeignFileError as exc:
        problem = str(exc)
    else:
        if show:
            for item in differences:
                click.echo(f"{_SIGNS[item.kind]} {item.key} ({item.kind})")
        if not differences:
            return
        told = ", ".join(f"{item.key} ({item.kind})" for item in differences)
        problem = "there is no such file" if existing is None else f"differs in {told}"
    click.echo(f"{path}: {problem}", err=True)
    click.get_current_context().exit(DIFFERS)
