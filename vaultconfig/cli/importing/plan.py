"""Decides what becomes of each variable of a `.env`: where it goes, or why it stays. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, Literal, TypeGuard
from urllib.parse import quote

from vaultconfig.cli.classify import (
    Destination,
    destination,
    looks_secret,
    looks_secret_beside,
    sort,
)
from vaultconfig.cli.importing.variables import Variable, names_of
from vaultconfig.connection.variables import OWN_VARIABLES
from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.references import Insert, Template, VaultRef, meant_by, parse
from vaultconfig.render.rules import refers

_BOOL: Final = re.compile(r"(?i:true|false|yes|no|on|off)")
# What comes back as it stood; longer ones are numbers of telephones and accounts.
_INT: Final = re.compile(r"0|-?[1-9][0-9]{0,8}")
# Not what a shell, bash or zsh, makes of its own, or runs.
_SHELL_NAME: Final = re.compile(
    r"(?!(?:(?i:PATH)|E?[UG]ID|PPID|SHELLOPTS|BASH\w*|PROMPT\w*|R?PS[0-9]|RPROMPT|GROUPS|USERNAME"
    r"|DIRSTACK|FUNCNAME|LINENO|OPTIND|S?RANDOM|SECONDS|EPOCH\w+|HISTCMD|IFS|status|argv|_)\Z)"
    r"[A-Za-z_][A-Za-z0-9_]*"
)
_LONGEST_LINE: Final = 2000  # characters that any terminal takes when they are pasted


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a variable.

    Attributes:
        how: Its value goes to the ``vault``, or it is made of such in a ``template``: these move.
            Of those that stay, a ``reference`` stands in the class too, ``text`` is set by a shell,
            and where a shell can't it is the ``default`` in the class. What only the ``file`` can
            give is secret, or made of what is set outside. The ``connection`` has no field.
        kind: The type of its field.
        annotation: The reference or template that the field has.
        place: Where its value goes in the vault.
        note: Why it stays, or what to know about it when it moves.
    """

    variable: Variable
    how: Literal["vault", "template", "reference", "text", "default", "file", "connection"]
    kind: str = "SecretStr"
    annotation: str | None = None
    place: Destination | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """The name of the variable."""
        return self.variable.key

    @property
    def moves(self) -> bool:
        """Whether its line in the file is not needed any more."""
        return self.how in ("vault", "template")


@dataclass(frozen=True, slots=True)
class Planner:
    """Decides about the variables of a file.

    Args:
        prefix: Path in the vault.
        secret: Keys that are secrets, whatever they look like.
        plain: Keys whose text is not.
    """

    variables: Mapping[str, Variable]
    prefix: str
    secret: Collection[str] = ()
    plain: Collection[str] = ()
    _fates: dict[str, Fate] = field(default_factory=dict, init=False)

    def plan(self) -> list[Fate]:
        """Return what becomes of each variable, in the order of the file.

        Raises:
            ConfigurationError: Two would have one place, or one can't be read by a class.
        """
        free: dict[str, Variable] = {}
        for key, variable in self.variables.items():
            fate = self._staying(variable)
            if fate is None:
                free[key] = variable
            else:
                self._fates[key] = fate
        alone = {
            key: variable.value or ""
            for key, variable in free.items()
            if all(isinstance(part, str) for part in variable.parts)
        }
        for place in sort(alone, secret=self.secret, plain=self.plain).secret:
            self._store(free.pop(place.key), place)
        # What a variable is made of stands before it.
        for variable in sorted(free.values(), key=lambda variable: variable.line):
            self._decide(variable)
        self._check_places()
        return [self._fates[key] for key in self.variables]

    def _staying(self, variable: Variable) -> Fate | None:
        """Return the fate of a variable that can't move, or None."""
        key, value = variable.key, variable.value
        if value is None:
            return Fate(variable, "default", "str | None", note="it has no value")
        if key in OWN_VARIABLES:
            return Fate(variable, "connection", note="it says how to reach the vault")
        if variable.outside:
            note = f"it is made of {names_of(variable.outside)}, from outside the file"
            return self._of_file(variable, note)
        if key in self.secret:
            return None
        if not value:
            return _text(variable, "it is empty")
        return self._reference(variable, value) if refers(value) else None

    def _reference(self, variable: Variable, value: str) -> Fate:
        note = "it is a reference already"
        try:
            meaning = parse(value)
        except InvalidReferenceError:
            meaning = None
        if meaning is None or (isinstance(meaning, VaultRef) and meaning.field is None):
            raise ConfigurationError(
                f"{variable.key} (line {variable.line}) begins like a reference, which a class "
                "would follow: complete it (vault:path#field), or move its text as it is with "
                f"--secret {variable.key}"
            )
        if len(variable.parts) == 1 and not isinstance(meaning, str):
            literals = meaning.parts if isinstance(meaning, Template) else ()
            is_secret = looks_secret_beside(variable.key, "".join(filter(_is_text, literals)))
            # A class takes what is nearly a reference for a mistake.
            if not is_secret and meant_by(value) is None:
                return Fate(variable, "reference", annotation=value, note=note)
        if looks_secret(variable.key, value) or not isinstance(meaning, str):
            return self._of_file(variable, note)
        return _text(variable, note)

    def _of_file(self, variable: Variable, note: str) -> Fate:
        if not _SHELL_NAME.fullmatch(variable.key):
            raise ConfigurationError(
                f"{variable.key} (line {variable.line}): {note}, and no shell can set a variable "
                "of that name: rename it"
            )
        if (variable.value or "").endswith("\n"):  # which $(…) takes away
            raise ConfigurationError(
                f"{variable.key} (line {variable.line}): {note}, and its line break at the end "
                "would be lost in a shell: remove that"
            )
        is_secret = looks_secret(variable.key, variable.value or "") or refers(variable.value or "")
        return Fate(variable, "file", "SecretStr" if is_secret else "str", note=note)

    def _store(self, variable: Variable, place: Destination, note: str = "") -> None:
        reference = f"vault:{self.prefix}/{place.group}#{place.field}"
        fate = Fate(variable, "vault", annotation=reference, place=place, note=note)
        self._fates[variable.key] = fate

    def _decide(self, variable: Variable) -> None:
        """Decide about one that is made of others, or is left because it is not secret."""
        key, value = variable.key, variable.value or ""
        pieces: list[str | Insert] = []
        rotating: list[str] = []
        fixed: list[str] = []
        overwritten: list[str] = []
        for part in variable.parts:
            if isinstance(part, str):
                pieces.append(part)
            # One that a later line sets once more is not what the vault is going to have.
            elif self._moves(part) and part is self.variables[part.key]:
                rotating.append(part.key)
                pieces += self._inserted(part, pieces)
            else:
                is_secret = any(
                    self._moves(used) or looks_secret(used.key, used.value or "")
                    for used in _all_in(part)
                )
                (overwritten if is_secret else fixed).append(part.key)
                pieces.append(part.value or "")
        now = f"with {names_of(fixed)} as in the file now" if fixed else ""
        if not rotating and not overwritten:
            is_plain = key in self.plain or not looks_secret(key, value)
            if is_plain and key not in self.secret:
                self._fates[key] = _text(variable, "it does not look like a secret")
            else:
                self._store(variable, destination(key), now)
            return
        annotation = _template_of(pieces)
        made_of = names_of([*rotating, *overwritten])
        if overwritten:
            problem = f"{names_of(overwritten)} is set once more below it"
        elif key in self.secret:
            problem = "--secret stores it whole"
        elif key not in self.plain and looks_secret_beside(key, "".join(filter(_is_text, pieces))):
            problem = f"its own text may be secret; with --plain {key} it becomes a template"
        elif annotation is None:
            problem = "a template cannot hold its text"
        else:
            note = ", ".join(filter(None, [f"made of {made_of}", now]))
            self._fates[key] = Fate(variable, "template", annotation=annotation, note=note)
            return
        self._store(variable, destination(key), f"does not rotate with {made_of}: {problem}")

    def _inserted(self, part: Variable, before: Iterable[str | Insert]) -> list[str | Insert]:
        """Return what stands for *part*, which moves, in a template after *before*."""
        pieces = _pieces_of(self._fates[part.key].annotation or "")
        is_in_url = "://" in "".join(filter(_is_text, before))
        if not is_in_url or quote(part.value or "", safe="") != part.value:
            return pieces
        # Its next value may have characters that break the URL.
        return [p if isinstance(p, str) else p._replace(urlquote=True) for p in pieces]

    def _moves(self, variable: Variable) -> bool:
        return variable.key in self._fates and self._fates[variable.key].moves

    def _check_places(self) -> None:
        # DB_PASSWORD and db.password would be one field, and one of their values would be lost.
        taken: dict[tuple[str, str], str] = {}
        for key, fate in self._fates.items():
            if fate.place is None:
                continue
            other = taken.setdefault((fate.place.group, fate.place.field), key)
            if other != key:
                raise ConfigurationError(
                    f"{other} and {key} would both be {fate.place.field} of {fate.place.group}: "
                    "rename one"
                )


def _text(variable: Variable, note: str) -> Fate:
    """Return the fate of one that stays, and may be shown."""
    value = variable.value or ""
    kind = "bool" if _BOOL.fullmatch(value) else "int" if _INT.fullmatch(value) else "str"
    can_be_set = (
        _SHELL_NAME.fullmatch(variable.key) and value.isprintable() and len(value) <= _LONGEST_LINE
    )
    return Fate(variable, "text" if can_be_set else "default", kind, note=note)


def _all_in(variable: Variable) -> Iterator[Variable]:
    """Yield *variable*, and every one that it is made of."""
    pending, seen = [variable], {id(variable)}
    while pending:
        found = pending.pop()
        yield found
        parts = [p for p in found.parts if isinstance(p, Variable) and id(p) not in seen]
        pending += parts
        seen |= set(map(id, parts))


def _is_text(piece: str | Insert) -> TypeGuard[str]:
    return isinstance(piece, str)


def _pieces_of(annotation: str) -> list[str | Insert]:
    meaning = parse(annotation)
    if isinstance(meaning, VaultRef):
        return [Insert(meaning)]
    return list(meaning.parts) if isinstance(meaning, Template) else [meaning]


def _template_of(pieces: list[str | Insert]) -> str | None:
    """Return the annotation that means *pieces*, or None if there is none."""
    parts: list[str | Insert] = []
    for is_text, run in groupby(pieces, key=_is_text):
        texts = list(run)
        parts += ["".join(map(str, texts))] if is_text else texts
    parts = [part for part in parts if part]
    match parts:
        case [Insert() as insert]:
            return str(insert.reference)
    text = str(Template(tuple(parts)))
    if meant_by(text) is not None:  # which a class would take for a mistake
        return None
    try:
        meaning = parse(text)
    except InvalidReferenceError:
        return None
    return text if isinstance(meaning, Template) and list(meaning.parts) == parts else None
