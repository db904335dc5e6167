"""Lines of a log, before and after a rotation: what came from the vault is in none of them."""

from __future__ import annotations

import copy
import gc
import io
import json
import logging
import logging.config
import logging.handlers
import os
import pickle
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Annotated, Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from pydantic import AfterValidator, Base64Bytes, BaseModel, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from vaultconfig import LiveSettings, VaultSettings, VaultSettingsSource
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError
from vaultconfig.redaction import RedactingFormatter

OLD = 'hunter2-"canary"/\\24é=12'  # 24 characters, some of which are written in several ways
NEW = "swordfish'24%canary new&"

MASK = "**********"


class Database(BaseModel):
    user: str
    password: SecretStr


class Settings(VaultSettings):
    user: Annotated[str, "vault:app/db#user"]
    workers: Annotated[int, "vault:app/db#workers"]
    password: Annotated[SecretStr, "vault:app/db#password"]
    url: Annotated[
        str, "postgresql://${vault:app/db#user}:${vault:app/url#password|urlquote}@db/app"
    ]
    database: Annotated[Database, "vault:app/nested"]
    key: Annotated[Base64Bytes, "vault:app/key#base64"]


@pytest.fixture
def vault(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "production")
    vault_env.put("app/db", {"user": "app", "workers": 5, "password": OLD})
    vault_env.put("app/url", {"password": "in-the-url/only"})
    vault_env.put("app/nested", {"user": "app", "password": "in-a-model"})
    vault_env.put("app/key", {"base64": "AAECYmluYXJ5LWtleQ=="})
    return vault_env


@pytest.fixture
def live(vault: DevServer) -> Iterator[LiveSettings[Settings]]:
    with LiveSettings(Settings) as live:
        yield live


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.Logger("app.request")
    yield logger
    for handler in logger.handlers:
        handler.close()


def lines_of(logger: logging.Logger, formatter: logging.Formatter) -> io.StringIO:
    """Return what *logger* writes with *formatter*."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return stream


def rotate(vault: DevServer, live: LiveSettings[Any]) -> None:
    vault.rotate("app/db", {"user": "app", "workers": 5, "password": NEW})
    live.refresh()


class JSONFormatter(logging.Formatter):
    """As applications have them: everything, with what hangs on the record, as one object."""

    def __init__(self, *, ensure_ascii: bool = True) -> None:
        super().__init__()
        self._ensure_ascii = ensure_ascii

    def format(self, record: logging.LogRecord) -> str:
        plain = super().format(record)
        everything = {**vars(record), "message": plain, "exc_info": None}
        return json.dumps(everything, default=repr, ensure_ascii=self._ensure_ascii)


class Shown:
    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Shown({self.value!r}, {self.value.encode()!r})"


def fail(value: str) -> None:
    raise RuntimeError(f"cannot log in with {value!r}")


def log_in_all_ways(logger: logging.Logger, value: str) -> None:
    logger.info(f"the password is {value}.")
    logger.info("%s and %r", value, value)
    logger.info("%(password)s", {"password": value})
    logger.info("an object: %s", Shown(value), extra={"object": Shown(value)})
    logger.info("bytes: %s", [value.encode()])
    logger.info("in a dict: %s", {"password": value, "other": '"'})
    logger.info("JSON: %s, %s", json.dumps([value]), json.dumps([value], ensure_ascii=False))
    logger.info("a URL: postgresql://app:%s@db and %s", quote(value, safe=""), quote(value))
    logger.info("a form: %s, %s", quote_plus(value), urlencode({"password": value}))
    logger.info("lower case: %s", quote(value.lower(), safe="").lower().replace(value.lower(), ""))
    try:
        fail(value)
    except RuntimeError:
        logger.exception("in a traceback")
    logger.info("the stack", stack_info=True)


FORMATTERS: dict[str, Callable[[], logging.Formatter | None]] = {
    "none": lambda: None,
    "plain": lambda: logging.Formatter("%(levelname)s %(name)s %(message)s"),
    "JSON": JSONFormatter,
    "JSON with its letters": lambda: JSONFormatter(ensure_ascii=False),
}


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_the_password_is_in_no_line(
    vault: DevServer, live: LiveSettings[Settings], logger: logging.Logger, formatter: str
) -> None:
    """In message, arguments, traceback, repr, JSON and URL; the old one, and after a rotation."""
    stream = lines_of(logger, RedactingFormatter(live, FORMATTERS[formatter]()))
    log_in_all_ways(logger, OLD)
    rotate(vault, live)
    for value in (OLD, NEW):
        log_in_all_ways(logger, value)
    written = stream.getvalue()
    for telling in ("hunter2", "swordfish", "24é", "canary", "24\\\\", "24%25"):
        assert telling not in written
    assert written.count(MASK) > 3 * 10


def test_other_lines_stay_as_they_are(live: LiveSettings[Settings], logger: logging.Logger) -> None:
    """Values as short as ``5`` and ``app`` are everywhere in a log."""
    plain = logging.Formatter("%(levelname)s %(name)s %(message)s")
    stream = lines_of(logger, RedactingFormatter(live, plain))
    logger.info("%d users", 5)
    assert stream.getvalue() == "INFO app.request 5 users\n"


def test_parts_and_what_they_are_made_into(
    live: LiveSettings[Settings], logger: logging.Logger
) -> None:
    """A template, its parts, nested models and what pydantic has decoded are values too."""
    stream = lines_of(logger, RedactingFormatter(live))
    settings = live.current
    assert settings.key == b"\x00\x01\x02binary-key"
    logger.info("%s", settings.url)
    logger.info("in-the-url/only, in-the-url%2fonly and in-the-url%2Fonly")
    logger.info("%s", settings.database.password.get_secret_value())
    logger.info("%s", settings.key)
    assert stream.getvalue() == (f"{MASK}\n{MASK}, {MASK} and {MASK}\n{MASK}\nb'{MASK}'\n")


def test_a_rotation_between_two_lines_is_not_missed(
    vault: DevServer, live: LiveSettings[Settings], logger: logging.Logger
) -> None:
    """Values are known from the refresh, not from the lines: also one that came and went."""
    stream = lines_of(logger, RedactingFormatter(live))
    for number in range(3):
        vault.rotate("app/db", {"user": "app", "workers": 5, "password": f"password-{number}"})
        live.refresh()
    logger.info("%s password-0 password-1 password-2", OLD)
    assert stream.getvalue() == f"{MASK} {MASK} {MASK} {MASK}\n"


@pytest.mark.parametrize("when", ["before the start", "after it"])
def test_it_may_be_made_at_any_time(vault: DevServer, logger: logging.Logger, when: str) -> None:
    """Before the start it passes all on, and neither loads nor starts anything."""
    live = LiveSettings(Settings)
    before = threading.active_count()
    early = RedactingFormatter(live) if when == "before the start" else None
    if early:
        stream = lines_of(logger, early)
        logger.info("%s", OLD)
        assert stream.getvalue() == f"{OLD}\n"
        assert threading.active_count() == before
        assert not vault.requests
    live.load()
    requests = len(vault.requests)
    stream = lines_of(logger, early or RedactingFormatter(live))
    logger.info("%s", OLD)
    assert stream.getvalue() == f"{MASK}\n"
    assert threading.active_count() == before, "a line has started the refreshing"
    assert len(vault.requests) == requests
    live.close()
    logger.info("%s", OLD)
    assert OLD not in stream.getvalue()


def test_a_validator_that_logs_is_masked(vault: DevServer, logger: logging.Logger) -> None:
    """A new value is known before the class sees it, also one that it rejects."""

    def check(value: str) -> str:
        logger.info("checking %s", value)
        if "wrong" in value:
            raise ValueError("it is wrong")
        return value

    class Checked(VaultSettings):
        password: Annotated[str, AfterValidator(check), "vault:app/db#password"]

        @model_validator(mode="after")
        def log(self) -> Checked:
            logger.info("made of %s", vars(self))
            return self

    live = LiveSettings(Checked)
    stream = lines_of(logger, RedactingFormatter(live))
    with live:
        vault.put("app/db", {"password": "the-wrong-password"})
        with pytest.raises(ValueError, match="it is wrong"):
            live.refresh()
    assert stream.getvalue().splitlines() == [
        f"checking {MASK}",
        f"made of {{'password': '{MASK}'}}",
        f"checking {MASK}",
    ]


def test_a_plain_class_is_masked_too(vault: DevServer, logger: logging.Logger) -> None:
    """A BaseSettings with our source, and what the environment gives as a reference."""

    class Plain(BaseSettings):
        password: Annotated[SecretStr, "vault:app/db#password"]
        token: str = ""

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (*sources.values(), VaultSettingsSource(settings_cls))

    os.environ["TOKEN"] = "vault:app/nested#password"
    try:
        with LiveSettings(Plain) as live:
            stream = lines_of(logger, RedactingFormatter(live))
            logger.info("%s %s", OLD, "in-a-model")
    finally:
        del os.environ["TOKEN"]
    assert stream.getvalue() == f"{MASK} {MASK}\n"


def test_what_is_not_from_the_vault_is_shown(vault: DevServer, logger: logging.Logger) -> None:
    """An argument is no secret of the vault's, and is not masked."""
    with LiveSettings(Settings, url="sqlite:///of-the-argument") as live:
        stream = lines_of(logger, RedactingFormatter(live))
        logger.info("%s", live.current.url)
    assert stream.getvalue() == "sqlite:///of-the-argument\n"


class Failing(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        raise LookupError(f"no format for {record.args}")


@pytest.mark.parametrize("formatter", [logging.Formatter(), Failing()])
def test_a_line_that_cant_be_formatted_is_masked(
    live: LiveSettings[Settings],
    logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    formatter: logging.Formatter,
) -> None:
    """Logging would print its arguments; here the line says where it comes from, and why."""
    stream = lines_of(logger, RedactingFormatter(live, formatter))
    logger.info(*("too many arguments", OLD))
    said = stream.getvalue()
    assert said.startswith(f"the line of {__file__}:")
    assert "can't be formatted: " in said
    assert ("TypeError: not all arguments" in said) or (
        f"LookupError: no format for ('{MASK}" in said
    )
    assert "hunter2" not in said
    assert capsys.readouterr() == ("", "")


def test_dict_config(live: LiveSettings[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    """As docs/how-to/logging.md shows it: around a formatter that stands before it."""
    sys.modules["an_application"] = module = type(sys)("an_application")
    module.live = live  # type: ignore[attr-defined]
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {"format": "%(levelname)s %(message)s"},
            "redacting": {
                "()": "vaultconfig.redaction.RedactingFormatter",
                "live": "ext://an_application.live",
                "formatter": "cfg://formatters.plain",
            },
        },
        "handlers": {
            "out": {
                "class": "logging.StreamHandler",
                "formatter": "redacting",
                "stream": "ext://sys.stdout",
            }
        },
        "loggers": {"an_application": {"handlers": ["out"], "level": "INFO", "propagate": False}},
    }
    logger = logging.getLogger("an_application")
    try:
        logging.config.dictConfig(copy.deepcopy(config))
        logger.info("%s", OLD)
        formatters = config["formatters"]
        assert isinstance(formatters, dict)
        config["formatters"] = dict(reversed(formatters.items()))
        with pytest.raises(ValueError, match="Unable to configure") as caught:
            logging.config.dictConfig(config)
        assert "list NAME before it" in str(caught.value.__cause__)
    finally:
        del sys.modules["an_application"]
        logger.handlers.clear()
    assert capsys.readouterr().out == f"INFO {MASK}\n"


def test_uvicorns_log_config(
    live: LiveSettings[Settings], capfd: pytest.CaptureFixture[str]
) -> None:
    """Its formatters are wrapped like others; the line of a request has its path masked."""
    from uvicorn import Config

    sys.modules["an_application"] = module = type(sys)("an_application")
    module.live = live  # type: ignore[attr-defined]
    from uvicorn.config import LOGGING_CONFIG

    config = copy.deepcopy(LOGGING_CONFIG)
    for name in ("default", "access"):
        config["formatters"][f"redacting {name}"] = {
            "()": "vaultconfig.redaction.RedactingFormatter",
            "live": "ext://an_application.live",
            "formatter": f"cfg://formatters.{name}",
        }
        config["handlers"][name]["formatter"] = f"redacting {name}"
    loggers = [logging.getLogger(name) for name in config["loggers"]]
    try:
        Config("main:app", log_config=config, use_colors=False)
        path = f"/reset?token={quote(OLD)}"
        logging.getLogger("uvicorn.access").info(
            '%s - "%s %s HTTP/%s" %d', "127.0.0.1:5000", "GET", path, "1.1", 200
        )
        logging.getLogger("uvicorn.error").info("said %r", OLD)
    finally:
        del sys.modules["an_application"]
        for each in loggers:
            each.handlers.clear()
            each.setLevel(logging.NOTSET)
            each.propagate = True
    out, err = capfd.readouterr()
    assert out == f'INFO:     127.0.0.1:5000 - "GET /reset?token={MASK} HTTP/1.1" 200 OK\n'
    assert err == f"INFO:     said '{MASK}'\n"


def test_a_queue_gets_masked_text(live: LiveSettings[Settings], logger: logging.Logger) -> None:
    """On a QueueHandler it masks what goes into the queue, traceback and all."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)  # type: ignore[arg-type]  # any queue does
    handler.setFormatter(RedactingFormatter(live))
    logger.addHandler(handler)
    try:
        fail(OLD)
    except RuntimeError:
        logger.exception("failed with %s", OLD)
    record = records.get()
    assert "hunter2" not in repr(vars(record))
    assert record.getMessage().startswith(f"failed with {MASK}\nTraceback")


def test_it_does_not_keep_the_settings_alive(vault: DevServer, logger: logging.Logger) -> None:
    """A formatter may outlive them; it goes on to mask what they had."""
    live = LiveSettings(Settings)
    live.load()
    gone, formatter = weakref.ref(live), RedactingFormatter(live)
    live.close()
    del live
    gc.collect()
    assert gone() is None
    stream = lines_of(logger, formatter)
    logger.info("%s", OLD)
    assert stream.getvalue() == f"{MASK}\n"


def test_a_second_start_masks_both(vault: DevServer, logger: logging.Logger) -> None:
    """After `close` and `start` what was read before is still masked, and so is the new."""
    live = LiveSettings(Settings)
    stream = lines_of(logger, RedactingFormatter(live))
    with live:
        pass
    vault.put("app/db", {"user": "app", "workers": 5, "password": NEW})
    live.start()
    live.refresh()
    logger.info("%s %s", OLD, NEW)
    live.close()
    assert stream.getvalue() == f"{MASK} {MASK}\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX only")
def test_a_forked_child_masks_what_it_reads(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """What the parent knew, and a rotation that the child alone has seen."""
    formatter = RedactingFormatter(live)
    receiving, sending = os.pipe()
    vault.rotate("app/db", {"user": "app", "workers": 5, "password": NEW})
    pid = os.fork()
    if pid == 0:
        said = "nothing"
        try:
            live.refresh()
            record = logging.LogRecord("", 20, "", 0, "%s %s", (OLD, NEW), None)
            said = formatter.format(record)
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(sending, said.encode())
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(sending)
    with os.fdopen(receiving) as pipe:
        assert pipe.read() == f"{MASK} {MASK}"


def test_many_threads_log_through_a_rotation(
    vault: DevServer, live: LiveSettings[Settings]
) -> None:
    """From the moment when anybody can read it, a value is masked."""
    formatter = RedactingFormatter(live)
    leaks: list[str] = []
    done = threading.Event()

    def log() -> None:
        while not done.is_set():
            value = live.current.password.get_secret_value()
            line = formatter.format(logging.LogRecord("", 20, "", 0, "%s!", (value,), None))
            if line != f"{MASK}!":
                leaks.append(line)

    threads = [threading.Thread(target=log) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        vault.rotate("app/db", {"user": "app", "workers": 5, "password": f"rotation-{number:02}"})
        live.refresh()
    done.set()
    for thread in threads:
        thread.join()
    assert leaks == []


def test_what_it_is_given_is_checked(live: LiveSettings[Settings]) -> None:
    """The class, a snapshot, or the name of a formatter are mistakes that say so."""
    for wrong in (Settings, live.current, None):
        with pytest.raises(ConfigurationError, match="takes live settings: write"):
            RedactingFormatter(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"takes a logging\.Formatter, not str"):
        RedactingFormatter(live, "plain")  # type: ignore[arg-type]


def test_it_shows_nothing_itself(live: LiveSettings[Settings]) -> None:
    """Neither its `repr` nor pickle gives away what it masks."""
    formatter = RedactingFormatter(live)
    assert "hunter2" not in f"{formatter!r} {vars(formatter)!r} {live!r} {vars(live)!r}"
    with pytest.raises(TypeError, match="is not pickled"):
        pickle.dumps(formatter)
