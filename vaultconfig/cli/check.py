"""``vaultconfig check``: everything that could be wrong, in one run, and nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import click
from pydantic_settings import BaseSettings

from vaultconfig.cli.checking.declared import DeclaredFields
from vaultconfig.cli.checking.findings import FINE, Findings, Problem, StoreFinding, summary_of
from vaultconfig.cli.checking.overlooked import (
    problems_of_delimiter,
    problems_of_names,
    problems_of_parts,
    problems_of_types,
)
from vaultconfig.cli.checking.printing import show_annotations, show_table
from vaultconfig.cli.checking.stored import look_at_store
from vaultconfig.cli.checking.surroundings import (
    env_files,
    problems_of_absent_files,
    problems_of_clock,
    problems_of_connection,
    problems_of_drift,
    problems_of_expiry,
    problems_of_file,
    problems_of_identity,
)
from vaultconfig.cli.checking.survey import (
    expiries_in,
    findings_about_fields,
    lifetimes_in,
    not_asking,
    quiet,
    reads_of,
)
from vaultconfig.cli.connecting import environment_here, hints_about_paths
from vaultconfig.cli.failures import CONFIGURATION, DIFFERS, exit_code
from vaultconfig.cli.options import common, json_option, target_argument
from vaultconfig.cli.streams import aside
from vaultconfig.cli.tables import as_json
from vaultconfig.cli.target import load_target, target_of
from vaultconfig.connection.connection import DEADLINE, Connection
from vaultconfig.connection.env_files import dotenv_variables
from vaultconfig.connection.environment import VARIABLE, NoCredentialsError
from vaultconfig.connection.store_settings import with_store
from vaultconfig.errors import (
    AuthenticationError,
    ConfigurationError,
    ResponseError,
    SecretError,
    VaultConfigError,
)
from vaultconfig.inspection import sources_for, survey
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.report import Report
from vaultconfig.references import Resolved, VaultRef
from vaultconfig.render.variables import clashes_among, lookups_in
from vaultconfig.secret import SecretKey
from vaultconfig.source.asking import connection_for
from vaultconfig.source.hints import hint
from vaultconfig.source.situation import Situation
from vaultconfig.vaults.lifetime import Lifetime
from vaultconfig.vaults.shared import connect, vault_for

_DEVELOP: Final = f"export {VARIABLE}=development"


@click.command()
@target_argument
@click.option("--offline", is_flag=True, help="Do not ask the vault, nor open any connection.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "github"]),
    help="How to print it; github is for annotations in GitHub Actions.  [default: table]",
)
@json_option
@common
def check(*, target: str | None, offline: bool, format_: str | None, as_json_: bool) -> None:
    """Check the settings class TARGET, the connection, and the files around; change nothing.

    For each field it shows where the value would come from, the reference, and the vault's answer.
    It also checks the token and its scopes, the store, the clocks, the lines and mode of .env
    files, whether git tracks them, and variables that nothing reads. Exit code 1 means that a field
    or a file is wrong; if the vault could not be asked at all, the code says why.

    \b
    Example:
      vaultconfig check app.settings:Settings -e production
    """
    if as_json_ and format_ not in {None, "json"}:
        raise click.UsageError(f"--json and --format {format_} are two formats: choose one")
    settings_cls = load_target(target)
    checking = _Checking(settings_cls, offline=offline)
    with aside():
        findings = checking.run()
    if as_json_ or format_ == "json":
        click.echo(as_json(findings))
    elif format_ == "github":
        show_annotations(findings)
    else:
        show_table(findings)
    click.get_current_context().exit(checking.code or (0 if findings.ok else DIFFERS))


@dataclass(slots=True)
class _Checking:
    """One check, step by step.

    Attributes:
        failure: Why the vault could not be asked at all.
        unknown: Why the vault did not say who we are, although it may give us secrets.
        code: The exit code that stands for it, or 0.
    """

    settings_cls: type[BaseSettings]
    offline: bool
    situation: Situation = field(init=False)
    connection: Connection | None = None
    identity: str | None = None
    failure: VaultConfigError | None = None
    unknown: VaultConfigError | None = None
    code: int = 0
    lifetimes: Mapping[SecretKey, Lifetime] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def run(self) -> Findings:
        """Find all there is to find."""
        quiet()
        now = datetime.now(UTC)
        self.situation = sources_for(self.settings_cls)[1].situation()
        self._connect(now)
        found = survey(self.settings_cls, not_asking if self.offline else self._ask)
        self._weigh_unknown(found)
        declared = DeclaredFields(self.settings_cls)
        hints = self._hints_about_paths(found)
        fields = findings_about_fields(found, declared, hints, offline=self.offline)
        store = self._look_at_store(found)
        self.problems += self._problems_around(found, declared, now)
        errors = [problem for problem in self.problems if problem.severity == "error"]
        was_asked = self.connection is not None and self.failure is None and not self.offline
        is_shared = store is not None and store.status == "ok"
        return Findings(
            ok=not errors and all(item.status in FINE for item in fields),
            target=target_of(self.settings_cls),
            environment=environment_here().name,
            url=self.connection.url if self.connection else None,
            identity=self.identity,
            fields=tuple(fields),
            problems=tuple(self.problems),
            reads=reads_of(self.lifetimes, is_shared=is_shared) if was_asked else None,
            store=store,
            summary=summary_of(fields, self.problems),
        )

    def _connect(self, now: datetime) -> None:
        try:
            found = connection_for(self.situation)
            deadline = found.deadline_in(self.situation.rule.environment)
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
            try:
                identity = client.whoami()
            except (AuthenticationError, ResponseError) as error:
                self.unknown = error.with_traceback(None)
            else:
                self.identity = identity.identity_id
                self.problems += problems_of_identity(identity, connection, now=now)
            self.problems += problems_of_clock(client.health(), now=now)

    def _weigh_unknown(self, found: Report) -> None:
        """Take it for a failure unless the vault has given us a secret nevertheless."""
        if self.unknown is None or self.failure is not None:
            return
        if any(isinstance(answer, Resolved) for answer in found.answers.values()):
            self.problems.append(Problem("warning", "token", str(self.unknown)))
        else:
            self._fail(self.unknown)

    def _hints_about_paths(self, found: Report) -> Mapping[str, str]:
        wrong = [error for error in found.answers.values() if isinstance(error, SecretError)]
        if not wrong or self.connection is None:
            return {}
        with connect(self.connection) as client:
            return hints_about_paths(client, wrong)

    def _look_at_store(self, found: Report) -> StoreFinding | None:
        """Look at what `Settings()` would use beside the vault, which alone is asked here."""
        if self.connection is None or self.offline:
            return None
        self.lifetimes = lifetimes_in(found, self.connection)
        config, environment = self.settings_cls.model_config, self.situation.rule.environment
        try:
            connection = with_store(self.connection, environment, config)
            store = vault_for(connection).store
            if connection.store_settings is not None and store is not None:
                finding, problem = look_at_store(connection.store_settings, store, self.lifetimes)
                self.problems += filter(None, [problem])
                return finding
            if self.connection.store or config.get("vault_store"):
                told = "the store is not used in development"
                self.problems.append(Problem("note", "store", told))
        except ConfigurationError as error:
            self.code = CONFIGURATION
            self.problems.append(Problem("error", "store", str(error)))
        return None

    def _ask(self, references: Sequence[VaultRef]) -> Answers:
        try:
            if self.failure is None and self.connection is not None:
                deadline = self.connection.deadline or DEADLINE
                return vault_for(self.connection).resolve(references, deadline=deadline)
        except VaultConfigError as error:
            self._fail(error)
        if isinstance(self.failure, NoCredentialsError) and not self.code:
            return dict.fromkeys(references, self.failure)
        return not_asking(references)

    def _fail(self, error: VaultConfigError) -> None:
        """Record why the vault could not be asked; in development credentials may be missing."""
        self.failure = error.with_traceback(None)
        environment, is_without = environment_here(), isinstance(error, NoCredentialsError)
        if is_without and environment.is_development:
            self.code = 0
            told = "no credentials for the vault: in development .env is used instead"
            self.problems.append(Problem("note", "connection", told))
            return
        self.code = exit_code(error)
        command = _DEVELOP if is_without and environment.name is None else None
        self.problems.append(Problem("error", "connection", str(error), command))

    def _problems_around(
        self, found: Report, declared: DeclaredFields, now: datetime
    ) -> Iterator[Problem]:
        env_file, environment = env_files(self.settings_cls), environment_here()
        encoding = self.settings_cls.model_config.get("env_file_encoding")
        given: dict[str, Collection[str]] = {"": os.environ}
        for file, is_read in env_file.items():
            if is_read:
                given[f" in {file}"] = dotenv_variables(file, encoding)
        ours = given if environment.is_development else {"": os.environ}
        yield from problems_of_names(ours, declared)
        yield from problems_of_delimiter(given, declared, found)
        yield from problems_of_parts(given, declared)
        yield from problems_of_types(found, declared)
        yield from problems_of_expiry(expiries_in(found), now=now)
        lookups = lookups_in(self.settings_cls, found.state, found.kept().from_vault())
        for clash in clashes_among(lookups):
            self.code = CONFIGURATION
            yield Problem("error", "variables", clash)
        if found.overridden:
            names = ", ".join(sorted(found.overridden, key=declared.order))
            yield Problem("warning", "fixed", f"not from the vault, so never rotated: {names}")
        told = None if self.offline else hint(self.situation, found.failures)
        if told:
            command = _DEVELOP if environment.name is None else None
            yield Problem("note", "variables", told, command)
        yield from problems_of_absent_files(self.settings_cls)
        for file, is_read in env_file.items():
            yield from problems_of_file(file, encoding=encoding)
            yield from problems_of_drift(file, found, environment=environment, is_read=is_read)
