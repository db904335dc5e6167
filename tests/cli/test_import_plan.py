"""How ``vaultconfig import`` decides: what is a secret, what it is made of, and where it goes."""

from __future__ import annotations

import pytest

from vaultconfig.cli.classify import destination, looks_secret, looks_secret_beside, sort
from vaultconfig.cli.importing.declaration import class_text
from vaultconfig.cli.importing.moving import Pace
from vaultconfig.cli.importing.plan import Fate, Planner
from vaultconfig.cli.importing.variables import read_variables, without
from vaultconfig.errors import ConfigurationError


def planned(text: str, *, secret: tuple[str, ...] = (), plain: tuple[str, ...] = ()) -> list[Fate]:
    return Planner(read_variables(text, file=".env"), "p", secret, plain).plan()


def fate_of(
    text: str, key: str, *, secret: tuple[str, ...] = (), plain: tuple[str, ...] = ()
) -> Fate:
    return next(fate for fate in planned(text, secret=secret, plain=plain) if fate.key == key)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("DB_PASSWORD", "x", True),
        ("DB_PASSWORD", "", False),
        ("PASSWORD_MIN_LENGTH", "8", False),
        ("CSRF_TOKEN", "true", False),
        ("TOKEN_URL", "https://x/token", False),
        ("STRIPE_API_KEY", "sk", True),
        ("STRIPE_PUBLISHABLE_KEY", "pk", False),
        ("SSL_KEY", "/etc/ssl/key.pem", False),
        ("SSL", "-----BEGIN RSA PRIVATE KEY-----\nx", True),
        ("DATABASE_URL", "postgresql://u:p@h/db", True),
        ("DATABASE_URL", "postgresql://h/db", False),
        ("REDIS_URL", "redis://:p@h/0", True),
        ("GH", "ghp_0123456789", True),
        ("PORT", "8000", False),
        ("db.password", "x", True),
        ("apiKey", "x", True),
        ("DBPASSWORD", "x", True),
        ("PASSWORD2", "x", True),
        ("API_KEYS", "x", True),
        ("SECRET_KEY_OLD", "x", True),
        ("MAX_TOKENS", "4096", False),
        ("ODBC", "Driver=x;UID=sa;PWD=x;", True),
        ("LIBPQ", "host=h password=x", True),
        ("LIBPQ", "host=h user=u", False),
        ("HOOK", "https://h/?v=1&token=x", True),
        ("HOOK", "https://h/?token=", False),
        ("HEADER", "Authorization: Bearer abcdefgh", True),
        ("TEXT", "basic configuration of it", False),
        ("CONFIG", '{"db": {"passwd": "x"}}', True),
        ("CONFIG", '{"db": {"host": "x"}}', False),
        ("SECRET_KEY_BASE", "x", True),
        ("DB_PASSWORD_OLD", "x", True),
        ("API_KEY2", "x", True),
        ("PGPASSWORD", "x", True),
        ("PUBLIC_KEY_OLD", "x", False),
        ("S3_BUCKET_2", "x", False),
    ],
)
def test_what_looks_like_a_secret(key: str, value: str, expected: bool) -> None:
    """Names count by their last words, values by their shape."""
    assert looks_secret(key, value) is expected


@pytest.mark.parametrize(
    ("key", "group", "field"),
    [
        ("DB_PASSWORD", "db", "password"),
        ("MY_DB_PASSWORD", "my-db", "password"),
        ("SALESFORCE_CLIENT_SECRET", "salesforce", "client_secret"),
        ("AWS_SECRET_ACCESS_KEY", "aws", "secret_access_key"),
        ("AWS_ACCESS_KEY_ID", "aws", "access_key_id"),
        ("SECRET_KEY", "app", "secret_key"),
        ("PASSWORD", "app", "password"),
        ("DATABASE_URL", "database", "url"),
        ("DSN", "app", "dsn"),
        ("my.mail-TOKEN", "my-mail", "token"),
        ("dbPassword", "db", "password"),
        ("KENNWÖRT_KEY", "kennw-rt", "key"),
    ],
)
def test_where_a_key_goes(key: str, group: str, field: str) -> None:
    """What stands before the telling words is the group."""
    place = destination(key)
    assert (place.group, place.field) == (group, field)


def test_companions_go_along() -> None:
    """A user name goes where its password goes, and stays where there is none."""
    sorting = sort({"DB_USER": "u", "DB_PASSWORD": "p", "DB_HOST": "h", "MAIL_USER": "m"})
    assert [place.key for place in sorting.secret] == ["DB_USER", "DB_PASSWORD"]
    assert sorting.plain == ["DB_HOST", "MAIL_USER"]


def test_what_is_said_overrules() -> None:
    """--secret and --plain overrule what it looks like."""
    sorting = sort({"DB_PASSWORD": "p", "PORT": "1"}, secret=["PORT"], plain=["DB_PASSWORD"])
    assert [place.key for place in sorting.secret] == ["PORT"]


def test_the_pace() -> None:
    """In any minute there are no more writes than the limit, and no waiting below it."""
    now, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    pace = Pace(3, clock=lambda: now[0], sleep=sleep)
    times = []
    for _ in range(7):
        pace.wait()
        times.append(now[0])
        now[0] += 1
    assert times == [0, 1, 2, 60, 61, 62, 120]
    assert waits == [57, 0, 0, 57]


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("DATABASE_URL", "postgresql://:@db/app", False),
        ("DATABASE_URL", "postgresql://app:pre@db/app", True),
        ("DSN", "host=db user=app password=", False),
        ("ALIAS_TOKEN", "", False),
        ("AUTH_TOKEN", "Bearer ", True),
        ("MORE", "sk_live_abc", True),
    ],
)
def test_what_looks_secret_beside_a_secret(key: str, text: str, expected: bool) -> None:
    """The text of a template stands in the class, so in doubt it is secret; not in an address."""
    assert looks_secret_beside(key, text) is expected


@pytest.mark.parametrize(
    ("line", "annotation"),
    [
        (
            "URL=postgresql://app:${DB_PASSWORD}@db/app",
            "postgresql://app:${vault:p/db#password|urlquote}@db/app",
        ),
        ("URL='redis://:${DB_PASSWORD:-x}@c'", "redis://:${vault:p/db#password|urlquote}@c"),
        ("E_TOKEN=a%40b\nURL=h://${E_TOKEN}@c", "h://${vault:p/e#token}@c"),
        ("URL=${DB_PASSWORD}", "vault:p/db#password"),
        ("URL=${DB_USER}:${DB_PASSWORD}", "${vault:p/db#user}:${vault:p/db#password}"),
        ("A=x${DB_PASSWORD}\nURL=${A}y", "x${vault:p/db#password}y"),
        ("HOST=h\nURL=//${DB_PASSWORD}@${HOST}", "//${vault:p/db#password}@h"),
        ('URL="$HOME ${: ${DB_PASSWORD}"', "$HOME $${: ${vault:p/db#password}"),
    ],
)
def test_what_is_made_of_a_secret_is_a_template(line: str, annotation: str) -> None:
    """So that it rotates with that secret, percent-encoded in a URL, if it is not so already.

    Other variables of the file are written into it.
    """
    fate = fate_of(f"DB_USER=app\nDB_PASSWORD=x\n{line}\n", "URL")
    assert (fate.how, fate.annotation) == ("template", annotation)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("URL=://u:secret${DB_PASSWORD}@h", "its own text may be secret"),
        ("A_TOKEN=abc\nURL=$${A_TOKEN}", "a template cannot hold its text"),
        ("URL=valut:${DB_PASSWORD}/x", "a template cannot hold its text"),
        ("URL=${DB_PASSWORD}\nDB_PASSWORD=y", "DB_PASSWORD is set once more below it"),
        ("DB_PASSWORD=${X}\nURL=${DB_PASSWORD}", ""),
    ],
)
def test_what_no_template_can_be_made_of(line: str, told: str) -> None:
    """It moves whole, and the plan says with what it does not rotate; or it stays."""
    fate = fate_of(f"DB_PASSWORD=x\n{line}\n", "URL")
    if told:
        assert fate.how == "vault"
        assert "does not rotate with" in fate.note
        assert told in fate.note
    else:
        assert (fate.how, fate.note) == ("file", "it is made of X, from outside the file")


def test_overruling_a_template() -> None:
    """--secret stores it whole; --plain says that the text beside the secret is none."""
    text = "A_TOKEN=x\nAUTH_TOKEN='Bearer ${A_TOKEN}'\n"
    assert fate_of(text, "AUTH_TOKEN").how == "vault"
    assert (
        fate_of(text, "AUTH_TOKEN", plain=("AUTH_TOKEN",)).annotation == "Bearer ${vault:p/a#token}"
    )
    fate = fate_of("A_TOKEN=x\nURL=a${A_TOKEN}\n", "URL", secret=("URL",))
    assert (fate.how, "--secret stores it whole" in fate.note) == ("vault", True)


def test_a_secret_that_was_used_and_then_replaced_is_not_shown() -> None:
    """Also through another variable, what holds the older text is no plain one."""
    text = "A_TOKEN=old\nB=${A_TOKEN}\nC=${B}\nB=new\nA_TOKEN=x\n"
    fates = {fate.key: fate.how for fate in planned(text)}
    assert fates == {"A_TOKEN": "vault", "B": "text", "C": "vault"}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *((text, "bool") for text in ("true", "False", "YES", "no", "on", "off")),
        *((text, "int") for text in ("0", "1", "-5", "8000", "123456789")),
        *((text, "str") for text in ("007", "+5", "1_000", "-0", "1.0", "015112345678", "t", "y")),
        ("4915112345678", "str"),
        ("١٢", "str"),
        ("'true '", "str"),
        ("", "str"),
    ],
)
def test_types(value: str, kind: str) -> None:
    """Only a text that comes back as it stood is a number."""
    assert fate_of(f"X={value}\n", "X").kind == kind


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("X=a b", "text"),
        ('X="a\\nb"', "default"),
        ("X=a\x1b[2Jb", "default"),
        (f"X={'x' * 3000}", "default"),
        ("my-name=1", "default"),
        ("UID=1000", "default"),
        ("PATH=/bin", "default"),
        ("path=/api", "default"),
        ("PROMPT_COMMAND='touch x'", "default"),
        ("PS1='$(touch x)'", "default"),
        ("GROUPS=admin", "default"),
        ("SECONDS=30", "default"),
        ("BASH_ENV=x", "default"),
        ("ENV=staging", "text"),
        ("X", "default"),
        ("X=${HOME}", "file"),
        ("SCAIVAULT_TOKEN=x", "connection"),
        ("VAULTCONFIG_ENVIRONMENT=x", "connection"),
        ("X=vault:a#b", "reference"),
        ("X='x${vault:a#b}'", "reference"),
        ("X='://u:secret@${vault:a#b}'", "file"),
        ("X='[\"vault:a#b\"]'", "text"),
        ("X_TOKEN='[\"vault:a#b\"]'", "file"),
    ],
)
def test_what_stays(line: str, how: str) -> None:
    """What a shell can't set is a default in the class; what may not be shown stays in the file."""
    assert planned(f"{line}\n")[0].how == how


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A=1\nX=\"a\"b\"\nB=2\nY='it''s'\n", "lines 2, 4 of .env cannot be read"),
        ("X='open\nA=1\n", "line 1 of .env cannot be read"),
        ("\n\r\n=x\r\n", "line 3 of .env"),
        ("KEY=-----BEGIN\nMIIEvQ+/abc\nABCdef==\n", "line 2 of .env"),
        ("A=1\n\ufeffB=2\n", "line 2 of .env"),
        ("FOO=1\nfoo=2\n", "FOO (line 1) and foo (line 2) of .env are one name"),
        ("A_TOKEN=1\nA-TOKEN=2\n", "A_TOKEN and A-TOKEN would both be token of a"),
        ("X=vault:app\n", "X (line 1) begins like a reference"),
        ("A_KEY=x\nX=vault:${A_KEY}\n", "X (line 2) begins like a reference"),
        ("X='vault:a b#c'\n", "X (line 1) begins like a reference"),
        ("my-key=${HOME}\n", "my-key (line 1): it is made of HOME"),
        ('X="${HOME}\n"\n', "X (line 1): it is made of HOME, from outside the file, and its line"),
    ],
)
def test_what_is_rejected(text: str, told: str) -> None:
    """By the number of the line, and with nothing of what stands there."""
    with pytest.raises(ConfigurationError) as caught:
        planned(text)
    assert told in str(caught.value)
    for part in ("it''s", "open", "MIIEvQ", "ABCdef"):
        assert part not in str(caught.value)


def test_names_of_fields() -> None:
    """No name means anything else to Python or pydantic, and none comes twice."""
    keys = (
        *(
            "CLASS",
            "COPY",
            "JSON",
            "SCHEMA",
            "MODEL_CONFIG",
            "STR",
            "_X",
            "2FA",
            "A.B",
            "A-B",
            "A_B",
        ),
        *("GRÖSSE", "ﬁ", "LOAD", "VAULT_X", "SETTINGS_X", "FIELD", "ANNOTATED"),
    )
    text = "".join(f"{key}=x\n" for key in keys)
    namespace: dict[str, type] = {}
    exec(class_text(planned(text)), namespace)
    fields = namespace["Settings"].model_fields  # type: ignore[attr-defined]
    found = [info.validation_alias or name.upper() for name, info in fields.items()]
    assert found == list(keys)


def test_comments_hold_no_value() -> None:
    """Each line of what moved is a comment that says where it is now; all else is untouched."""
    text = (
        "\ufeff# mine\r\n\r\n  export A_TOKEN='x\r\ny' # z\r\nB= 1 \r\n"
        'A_TOKEN=2\r\nURL="a\nb${A_TOKEN}"'
    )
    moved = {fate.key: fate.annotation or "" for fate in planned(text) if fate.moves}
    assert without(text, moved) == (
        "\ufeff# mine\r\n\r\n  # A_TOKEN moved to vault:p/a#token\r\nB= 1 \r\n"
        "# A_TOKEN moved to vault:p/a#token\r\n# URL moved to a?b${vault:p/a#token}"
    )
