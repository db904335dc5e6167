"""``vaultconfig check``: everything that could be wrong, in one run, and nothing is changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import click
from pydantic_settings import BaseSettings

from vaultconfig.cli.connecting import environment_here
from vaultconfig.cli.failures import CONFIGURATION, exit_code
from vaultconfig.cli.findings import FINE, FieldFinding, Findings, Problem
from vaultconfig.cli.options import common, json_option, target_argument
from vaultconfig.cli.surroundings import (
    env_files,
    problems_of_clock,
    problems_of_connection,
    problems_of_drift,
    problems_of_expiry,
    problems_of_file,
    problems_of_identity,
    problems_of_names,
)
from vaultconfig.cli.survey import expiries_in, findings_about_fields, not_asking, quiet
from vaultconfig.cli.tables import as_json, printable, show
from vaultconfig.cli.target import load_target
from vaultconfig.connection.connection import DEADLINE, Connection
from vaultconfig.connection.environment import NoCredentialsError
from vaultconfig.errors import VaultConfigError
from vaultconfig.inspection import sources_for, survey
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.report import Report
from vaultconfig.references import VaultRef
from vaultconfig.render.variables import clashes_in
from vaultconfig.source.asking import connection_for
from vaultconfig.vaults.shared import connect, resolve

_HEADER: Final = ("FIELD", "STATUS", "SOURCE", "REFERENCE", "VERSION", "EXPIRES")
_COLOURS: Final = {"ok": "green", "fallback": "yellow", "not asked": None}
_SEVERITIES: Final = {"error": "red", "warning": "yellow", "note": None}
_WRONG: Final = 1


@click.command()
@target_argument
@click.option("--offline", is_flag=True, help="Do not ask the vault, nor open any connection.")
@json_option
@common
def check(*, target: str | None, offline: bool, as_json_: bool) -> None:
    """Check the settings class TARGET, the connection, and the files around; change nothing.

    For each field it shows where the value would come from, the reference, and the vault's answer.
    It also checks the token and its scopes, the clocks, the lines and mode of .env files, and
    whether git tracks them. Exit code 1 means that a field or a file is wrong; if the vault could
    not be asked at all, the code says why.

    \b
    Example:
      vaultconfig check app.settings:Settings -e production
    """
    settings_cls = load_target(target)
    checking = _Checking(settings_cls, offline=offline)
    findings = checking.run()
    if as_json_:
        click.echo(as_json(findings))
    else:
        _show(findings)
    click.get_current_context().exit(checking.code or (0 if findings.ok else _WRONG))


@dataclass(slots=True)
class _Checking:
    """One check, step by step.

    Attributes:
        failure: Why the vault could not be asked at all.
        code: The exit code that stands for it, or 0.
    """

    settings_cls: type[BaseSettings]
    offline: bool
    connection: Connection | None = None
    identity: str | None = None
    failure: VaultConfigError | None = None
    code: int = 0
    problems: list[Problem] = field(default_factory=list)

    def run(self) -> Findings:
        """Find all there is to find."""
        now = datetime.now(UTC)
        self._connect(now)
        quiet()
        found = survey(self.settings_cls, not_asking if self.offline else self._ask)
        fields = findings_about_fields(found)
        self.problems += self._problems_around(found, now)
        errors = [problem for problem in self.problems if problem.severity == "error"]
        return Findings(
            ok=not errors and all(item.status in FINE for item in fields),
            target=f"{self.settings_cls.__module__}:{self.settings_cls.__qualname__}",
            environment=environment_here().name,
            url=self.connection.url if self.connection else None,
            identity=self.identity,
            fields=tuple(fields),
            problems=tuple(self.problems),
        )

    def _connect(self, now: datetime) -> None:
        try:
            situation = sources_for(self.settings_cls)[1].situation()
            found = connection_for(situation)
            deadline = found.deadline_in(situation.rule.environment)
            self.connection = found.model_copy(update={"deadline": deadline})
            self.problems += problems_of_connection(self.connection)
            if not self.offline:
                self._introduce(self.connection, now)
        except NoCredentialsError as error:
            if not self.offline:
                self._fail(error)
        except VaultConfigError as error:
            self._fail(error)

    def _introduce(self, connection: Connection, now: datetime) -> None:
        with connect(connection) as client:
            identity, health = client.whoami(), client.health()
        self.identity = identity.identity_id
        self.problems += problems_of_identity(identity, connection, now=now)
        self.problems += problems_of_clock(health, now=now)

    def _ask(self, references: Sequence[VaultRef]) -> Answers:
        try:
            if self.failure is None and self.connection is not None:
                deadline = self.connection.deadline or DEADLINE
                return resolve(self.connection, references, deadline)
        except VaultConfigError as error:
            self._fail(error)
        if isinstance(self.failure, NoCredentialsError) and not self.code:
            return dict.fromkeys(references, self.failure)
        return not_asking(references)

    def _fail(self, error: VaultConfigError) -> None:
        """Record why the vault could not be asked; in development credentials may be missing."""
        self.failure = error.with_traceback(None)
        expected = isinstance(error, NoCredentialsError) and environment_here().is_development
        self.code = 0 if expected else exit_code(error)
        told = "no credentials for the vault: in development .env is used instead"
        self.problems.append(
            Problem("note", "connection", told)
            if expected
            else Problem("error", "connection", str(error))
        )

    def _problems_around(self, found: Report, now: datetime) -> Iterator[Problem]:
        yield from problems_of_names(os.environ)
        yield from problems_of_expiry(expiries_in(found), now=now)
        for clash in clashes_in(self.settings_cls, found.state, vault=found.kept().from_vault()):
            self.code = CONFIGURATION
            yield Problem("error", "variables", clash)
        if found.overridden:
            names = ", ".join(sorted(found.overridden))
            yield Problem("warning", "fixed", f"not from the vault, so never rotated: {names}")
        encoding = self.settings_cls.model_config.get("env_file_encoding")
        for file, is_read in env_files(self.settings_cls).items():
            yield from problems_of_file(file, encoding=encoding)
            yield from problems_of_drift(
                file, found, environment=environment_here(), is_read=is_read
            )


def _show(findings: Findings) -> None:
    if sys.stdout.isatty():
        environment = findings.environment or "production (no environment is set)"
        click.echo(
            f"{findings.target} in {environment}, "
            f"{printable(findings.identity or 'without an identity')} at "
            f"{findings.url or 'no vault'}\n"
        )
    colours = [_COLOURS.get(item.status, "red") for item in findings.fields]
    show([_row(item) for item in findings.fields], header=_HEADER, colours=colours)
    for item in findings.fields:
        if item.problem:
            click.echo(f"{item.field}: {printable(item.problem)}", err=True)
    for problem in findings.problems:
        word = click.style(f"{problem.severity.capitalize()}:", fg=_SEVERITIES[problem.severity])
        click.echo(f"{word} {printable(problem.message)}", err=True)


def _row(item: FieldFinding) -> tuple[str, ...]:
    version = "" if item.version is None else str(item.version)
    expires = item.expires_at.isoformat(" ", "minutes") if item.expires_at else ""
    return item.field, item.status, item.source, item.reference or "", version, expires
