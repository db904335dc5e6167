"""Where the store is, its key, and whose it is: what variables and class say, and mistakes."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.connection.connection import read_connection
from vaultconfig.connection.environment import Environment
from vaultconfig.connection.store_settings import StoreSettings, with_store
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError

KEY = base64.b64encode(b"\xfb" * 32).decode()  # which has + and / in it
OTHER = base64.b64encode(b"o" * 32).decode()
CANARY = "cAnAry-8153"
GIVEN = {
    "SCAIVAULT_TOKEN": "t",
    "VAULTCONFIG_STORE": "file:/var/cache/shop",
    "VAULTCONFIG_STORE_KEY": KEY,
    "VAULTCONFIG_APPLICATION": "shop",
}


def stored(
    environ: dict[str, str] | None = None, *, environment: str | None = None, **config: Any
) -> StoreSettings | None:
    """Return the store of a load with these variables over `GIVEN`; an empty one is not set."""
    environ = GIVEN | (environ or {})
    connection = read_connection({name: value for name, value in environ.items() if value})
    return with_store(connection, Environment(environment), config).store_settings


def keys(environ: dict[str, str]) -> list[bytes]:
    found = stored(environ)
    assert found is not None
    return [key.get_secret_value() for key in found.keys]


def rejected(environ: dict[str, str], **config: Any) -> str:
    """Return why it is rejected; no value shows in that, nor in what hangs on it."""
    with pytest.raises(ConfigurationError) as caught:
        stored(environ, **config)
    error = caught.value
    frames, trace = [], error.__traceback__
    while trace is not None:
        if "vaultconfig" in trace.tb_frame.f_code.co_filename:
            frames.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    frames = [frame for frame in frames if "GIVEN" not in frame]
    assert error.__context__ is None
    for secret in (CANARY, KEY, OTHER):
        assert secret not in f"{error!r} {frames[1:]}"
    return str(error)


def test_no_store() -> None:
    """Without an address nothing else counts."""
    assert stored({"VAULTCONFIG_STORE": ""}) is None
    wrong = {"VAULTCONFIG_STORE": "", "VAULTCONFIG_STORE_KEY": "nonsense"}
    assert stored(wrong) is None
    assert stored(wrong, vault_store=None) is None


class TestAddress:
    """`VAULTCONFIG_STORE`, or ``vault_store`` in the class."""

    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("file:/var/x", "file:/var/x"),
            ("FILE:/var/x/", "file:/var/x"),
            ("file:///var/x", "file:/var/x"),
            (" file:/var/with a blank/ü ", "file:/var/with a blank/ü"),
            ("file:here/x", "file:{here}/here/x"),
            ("file:.", "file:{here}"),
            ("file:~/x", "file:{home}/x"),
            ("redis://u:p@h:6380/2", "redis://u:p@h:6380/2"),
            ("Rediss://h", "rediss://h"),
        ],
    )
    def test_a_right_one(
        self, text: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A directory is absolute from then on, wherever the process goes."""
        monkeypatch.setenv("HOME", "/home/someone")
        found = stored({"VAULTCONFIG_STORE": text, "SCAIVAULT_TOKEN": str(tmp_path)})
        assert found is not None
        expected = address.format(here=tmp_path, home="/home/someone")
        assert found.address.get_secret_value() == expected
        kind, _, rest = expected.partition(":")
        assert found.directory == (rest if kind == "file" else None)

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            *[(f"redi://{CANARY}", "redis"), (f"files:/{CANARY}", "file")],
            *[(f"redisss://{CANARY}", "rediss"), (f"/var/{CANARY}", None), (CANARY, None)],
            *[("file:", None), ("file:/", None), ("file:// ", None), ("redis", None)],
            *[("redis:", None), ("redis://", None), (f"https://{CANARY}", None)],
            *[(f"file://{CANARY}/x", None), (f"file:/var\n{CANARY}", None), (":", None)],
        ],
    )
    def test_a_wrong_one(self, text: str, meant: str | None) -> None:
        """The variable and what is expected are named, and what may be meant; not the text."""
        told = rejected({"VAULTCONFIG_STORE": text})
        assert told.startswith("VAULTCONFIG_STORE (or vault_store in the class) is invalid")
        assert "expected file:DIRECTORY, redis://HOST or rediss://HOST" in told
        assert told.endswith(f"did you mean {meant}:?" if meant else "rediss://HOST")

    def test_a_home_that_is_not_there(self) -> None:
        """A directory that is called ~ is not what anybody means."""
        told = rejected({"VAULTCONFIG_STORE": f"file:~{CANARY}/x"})
        assert "no such home directory: write the whole path" in told

    def test_variable_and_class(self) -> None:
        """The variable wins over the class, which counts where there is none."""
        config = {"vault_store": "file:/of/class", "vault_application": "of class"}
        found = stored(**config)
        assert found is not None
        assert found.address.get_secret_value() == "file:/var/cache/shop"
        assert found.application == "shop"
        found = stored({"VAULTCONFIG_STORE": "", "VAULTCONFIG_APPLICATION": ""}, **config)
        assert found is not None
        assert found.address.get_secret_value() == "file:/of/class"
        assert found.application == "of class"

    @pytest.mark.parametrize("name", ["VAULTCONFIG_STORE", "VAULTCONFIG_STORE_KEY"])
    def test_quotes(self, name: str) -> None:
        """Those that docker keeps are named, as for every variable of ours."""
        assert rejected({name: f'"{GIVEN[name]}"'}).startswith(f"{name} has quotes")


class TestKey:
    """32 bytes in base64, one or several, from a variable or a file."""

    @pytest.mark.parametrize(
        "text",
        [
            *[f"{KEY},{OTHER}", f" {KEY} , {OTHER} ", f"{KEY}\n{OTHER}\n", f"{KEY}\r\n{OTHER}\r\n"],
            *[f"{KEY},,{OTHER},", f"{KEY},{OTHER},{KEY}"],
            KEY.replace("+", "-").replace("/", "_") + "," + OTHER,
        ],
    )
    @pytest.mark.parametrize("place", ["variable", "file"])
    def test_right_ones(self, text: str, place: str, tmp_path: Path) -> None:
        """In their order, however they are separated, in either alphabet of base64, each once."""
        file = tmp_path / "keys"
        file.write_bytes(text.encode())
        where = {"VAULTCONFIG_STORE_KEY": text}
        if place == "file":
            where = {"VAULTCONFIG_STORE_KEY": "", "VAULTCONFIG_STORE_KEY_FILE": str(file)}
        assert keys(where) == [b"\xfb" * 32, b"o" * 32]

    @pytest.mark.parametrize(
        ("text", "which"),
        [
            (CANARY, "the key"),
            (base64.b64encode(b"s" * 31).decode(), "the key"),
            (base64.b64encode(b"s" * 33).decode(), "the key"),
            (KEY.rstrip("="), "the key"),
            (f"{KEY}x", "the key"),
            (b"k".hex() * 32, "the key"),
            ("ключ", "the key"),
            (f"{KEY},{CANARY}", "key 2"),
            (f"{KEY},{OTHER},{KEY[:-4]}", "key 3"),
        ],
    )
    def test_wrong_ones(self, text: str, which: str, tmp_path: Path) -> None:
        """The variable, or the file, is named, and which of several it is."""
        told = rejected({"VAULTCONFIG_STORE_KEY": text})
        expected = f"{which} in %s is not 32 bytes in base64: make one with: vaultconfig store"
        assert told.startswith(expected % "VAULTCONFIG_STORE_KEY")
        if text.isascii():
            file = tmp_path / "key"
            file.write_text(text)
            where = {"VAULTCONFIG_STORE_KEY": "", "VAULTCONFIG_STORE_KEY_FILE": str(file)}
            assert rejected(where).startswith(expected % f"{file} (VAULTCONFIG_STORE_KEY_FILE)")

    @pytest.mark.parametrize("text", ["", " ", ",", " ,\n"])
    def test_no_key(self, text: str, tmp_path: Path) -> None:
        """A store without one is an error that says how to make one."""
        told = rejected({"VAULTCONFIG_STORE_KEY": text})
        assert told.startswith("a store needs a key: set VAULTCONFIG_STORE_KEY or ")
        assert told.endswith("vaultconfig store keygen")
        file = tmp_path / "key"
        file.write_text(text)
        where = {"VAULTCONFIG_STORE_KEY": "", "VAULTCONFIG_STORE_KEY_FILE": str(file)}
        name = f"{file} (VAULTCONFIG_STORE_KEY_FILE)"
        assert rejected(where) == f"{name} is empty: it has to hold the store's key"

    def test_two_sources(self) -> None:
        """A key and a file at once are an error that names both."""
        told = rejected({"VAULTCONFIG_STORE_KEY_FILE": "/somewhere"})
        assert "VAULTCONFIG_STORE_KEY and VAULTCONFIG_STORE_KEY_FILE: keep one of them" in told

    @pytest.mark.parametrize(
        ("make", "told"),
        [
            (lambda file: None, "No such file or directory"),
            (lambda file: file.mkdir(), "not a regular file"),
            (os.mkfifo, "not a regular file"),  # which would wait for whoever writes to it
            (lambda file: file.symlink_to("/dev/zero"), "not a regular file"),
        ],
    )
    def test_a_file_that_cannot_be_read(
        self, make: Callable[[Path], Any], told: str, tmp_path: Path
    ) -> None:
        """The file, its variable and the reason are named."""
        file = tmp_path / "key"
        make(file)
        where = {"VAULTCONFIG_STORE_KEY": "", "VAULTCONFIG_STORE_KEY_FILE": str(file)}
        prefix = f"the store's key can't be read from {file} (VAULTCONFIG_STORE_KEY_FILE)"
        assert rejected(where) == f"{prefix}: {told}"


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb", "a\0b", "a\x1b[31m"])
def test_a_wrong_application(name: str) -> None:
    """It is a name of up to 200 characters that can be printed."""
    told = "a store needs the name of the application: set VAULTCONFIG_APPLICATION, or vault_appl"
    assert rejected({"VAULTCONFIG_APPLICATION": ""}, vault_application=name).startswith(told)
    if name.strip():
        assert rejected({"VAULTCONFIG_APPLICATION": name}).startswith(told)


@pytest.mark.parametrize(("environment", "name"), [(None, "production"), ("Staging", "Staging")])
def test_the_environment(environment: str | None, name: str) -> None:
    """No environment is production, here too."""
    found = stored(environment=environment)
    assert found is not None
    assert found.environment == name
    assert found.application == "shop"


@pytest.mark.parametrize("wrong", [{}, {"VAULTCONFIG_STORE": "x"}, {"VAULTCONFIG_STORE_KEY": "x"}])
def test_development(wrong: dict[str, str]) -> None:
    """There is no store in development, also where one is configured, and wrongly."""
    assert stored(wrong, environment="development") is None


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]


@pytest.fixture
def app(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    vault_env.put("app", {"token": "from vault"})
    for name in set(GIVEN) - {"SCAIVAULT_TOKEN"}:
        monkeypatch.setenv(name, GIVEN[name])
    return vault_env


def test_a_store_in_a_development_env_file(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, env_file: Callable[[str], Path]
) -> None:
    """It may stand there, beside the connection, and is not used."""
    for name in GIVEN:
        if name != "SCAIVAULT_TOKEN":
            monkeypatch.delenv(name)
    env_file("VAULTCONFIG_STORE=nonsense\nVAULTCONFIG_APPLICATION=x\n")
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    assert Settings().token == "from vault"


def test_a_mistake_ends_a_load(app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a ConfigurationError before anything is sent, and no fallback covers it."""

    class Falling(Settings):
        model_config = VaultConfigDict(vault_fallback="always")

    monkeypatch.setenv("VAULTCONFIG_STORE_KEY", CANARY)
    for settings_cls in (Settings, Falling):
        with pytest.raises(ConfigurationError, match="VAULTCONFIG_STORE_KEY is not 32 bytes"):
            settings_cls()
    assert app.requests == []


@pytest.mark.parametrize("options", [{"vault_store": 3}, {"vault_application": ["x"]}])
def test_a_wrong_key_of_a_class(options: Any) -> None:
    """The class can't be made."""
    with pytest.raises(ConfigurationError, match=f"{next(iter(options))} has a wrong value"):
        type("Wrong", (VaultSettings,), {"model_config": options, "__module__": __name__})


def test_the_extra_is_missing(app: DevServer, tmp_path: Path) -> None:
    """Without cryptography there is one sentence that names it, and the extra."""
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from typing import Annotated\n"
        "from vaultconfig import VaultSettings\n"
        "from vaultconfig.errors import MissingExtraError\n"
        "class Settings(VaultSettings):\n    token: Annotated[str, 'vault:app#token']\n"
        "try:\n    Settings()\nexcept MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    told = "a store needs cryptography: pip install 'scaivault-config[store]'\n"
    assert (done.stdout, done.stderr) == (told, "")
