"""Each format holds the awkward values or refuses them by name, as foreign readers agree."""

import base64
import json
import os
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.render.awkward import AWKWARD
from vaultconfig.errors import ConfigurationError
from vaultconfig.render.dialects import FORMATS, dialect
from vaultconfig.render.rules import Difference, ForeignFileError

VALUES = st.dictionaries(
    st.from_regex(r"[A-Z]{1,3}", fullmatch=True).filter(lambda key: key != "UID"),
    st.text() | st.text(st.sampled_from("'\"\\\n\r\t #=$:-\x85\u2028\ufeff\ud83d😀")),
    min_size=1,
)
DUMP = "import json, os; print(json.dumps(dict(os.environ)))"


def docker(text: str) -> dict[str, str]:
    """Read *text* by docker's rule, line by line; it knows no quotes and no escapes."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return dict(line.split("=", 1) for line in lines if line.strip() and line[0] != "#")


def k8s(text: str) -> dict[str, str]:
    """Read the manifest with a YAML library, and decode its data."""
    manifest = yaml.safe_load(text)
    assert manifest["kind"] == "Secret"
    return {key: base64.b64decode(value).decode() for key, value in manifest["data"].items()}


READERS = {"json": json.loads, "yaml": yaml.safe_load, "k8s": k8s, "docker": docker}


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_shells_load_every_value_and_run_none(tmp_path, shell):
    """Sourcing in an empty directory sets the variables, prints nothing and runs nothing."""
    (tmp_path / "env").write_bytes(dialect("shell").update("", AWKWARD).encode())
    done = subprocess.run(
        [shell, "-euc", '. ./env; exec "$0" -c "$1"', sys.executable, DUMP],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    loaded = json.loads(done.stdout)
    assert {key: loaded[key] for key in AWKWARD} == AWKWARD
    assert done.stderr == b""
    assert os.listdir(tmp_path) == ["env"]


@pytest.mark.parametrize("name", ["UID", "_", "BASH_VERSINFO", "BASH_SOURCE"])
def test_names_that_shells_keep_are_refused(name):
    """A variable that a shell would not set is refused by name."""
    with pytest.raises(ConfigurationError, match=f"^{name}: .* keeps the name for itself"):
        dialect("shell").update("", {"FINE": "x", name: "x"})


def test_each_format_has_a_foreign_reader():
    """A new format joins `READERS`; dotenv and the shells have tests of their own."""
    assert {*READERS, "dotenv", "shell"} == set(FORMATS)


@pytest.mark.parametrize("name", READERS)
def test_foreign_readers_agree(name):
    """What a format holds, a reader that is not ours reads equal."""
    held = AWKWARD if name != "docker" else {k: v for k, v in AWKWARD.items() if fits_docker(v)}
    assert READERS[name](dialect(name).update("", held)) == held


def fits_docker(value: str) -> bool:
    """Whether docker's documented rule can hold *value*."""
    return "\n" not in value and not value.endswith("\r")


@pytest.mark.parametrize("key", [key for key, value in AWKWARD.items() if not fits_docker(value)])
def test_docker_refuses_line_breaks(key):
    """docker has no quotes, so what needs them is refused by name, and the others are not named."""
    with pytest.raises(ConfigurationError, match=f"^{key}: .* docker cannot .*a line break") as e:
        dialect("docker").update("", {"FINE": "x", key: AWKWARD[key]})
    assert AWKWARD[key] not in str(e.value)


def test_docker_refuses_lines_that_its_reader_refuses():
    """A line with its end fills a buffer of 64 KiB, and no more."""
    longest = 64 * 1024 - len("K=\n")
    assert dialect("docker").update("", {"K": "x" * longest})
    with pytest.raises(ConfigurationError, match=r"^K: .*64 KiB"):
        dialect("docker").update("", {"K": "x" * (longest + 1)})


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "dotenv"])
@given(values=VALUES)
def test_any_values_are_held_or_refused_by_name(name, values):
    """Whatever the text: equal for us and for a foreign reader, or an error that names a key."""
    try:
        text = dialect(name).update("", values)
    except ConfigurationError as error:
        assert str(error).startswith(tuple(values))  # noqa: PT017 - or no error at all
    else:
        assert dialect(name).parse(text) == values
        assert READERS.get(name, dialect(name).parse)(text) == values


@pytest.mark.parametrize("name", FORMATS)
def test_output_is_the_same_for_the_same_input(name):
    """Order is kept and nothing else goes in."""
    values = {"B": "1", "A": "x y"}
    text = dialect(name).update("", values)
    assert text == dialect(name).update("", dict(values))
    assert list(dialect(name).parse(text)) == ["B", "A"]
    assert "x y" not in repr(text)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_at_all_can_be_held(name):
    """A class without vault fields renders to an empty file of the format."""
    assert dialect(name).parse(dialect(name).update("", {})) == {}


@pytest.mark.parametrize("name", ["dotenv", "shell", "docker"])
@pytest.mark.parametrize("value", ["vault:a#b", "x\0y"])
def test_an_environment_takes_no_reference_and_no_nul(name, value):
    """Where our own loader reads the values again, none may read like a reference."""
    with pytest.raises(ConfigurationError, match=r"^K: "):
        dialect(name).update("", {"K": value})


@pytest.mark.parametrize("name", ["json", "yaml", "k8s"])
def test_data_holds_references_and_nul(name):
    """Data is only data."""
    values = {"A": "vault:a#b", "B": "x\0y"}
    assert READERS[name](dialect(name).update("", values)) == values


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("key", ["A B", "1", "x=y", "#A", ""])
def test_every_format_checks_keys(name, key):
    """A key is an environment name everywhere."""
    with pytest.raises(ConfigurationError, match="is not a valid variable name"):
        dialect(name).update("", {key: "x"})


def test_keys_that_yaml_would_take_for_something_else():
    """`NO` and `NULL` stay names."""
    values = {"NO": "off", "NULL": "~", "Y": "1e3"}
    assert yaml.safe_load(dialect("yaml").update("", values)) == values
    assert k8s(dialect("k8s").update("", values)) == values


def test_a_secret_has_the_name_that_was_asked_for():
    """The name goes into the manifest, and is one that Kubernetes takes."""
    manifest = yaml.safe_load(dialect("k8s", secret_name="my.app-1").update("", {"A": "x"}))
    assert manifest["metadata"] == {"name": "my.app-1"}
    for name in ("", "Upper", "a_b", "-a", "a.", "a..b", "x" * 254, "a\n"):
        with pytest.raises(ConfigurationError, match="cannot name a Secret"):
            dialect("k8s", secret_name=name)


def test_a_secret_that_kubernetes_would_refuse():
    """More than 1 MiB of values, or a key over 253 characters, is refused before it is sent."""
    limit = 1024 * 1024
    assert dialect("k8s").update("", {"A": "x" * limit})
    with pytest.raises(ConfigurationError, match="1 MiB"):
        dialect("k8s").update("", {"A": "x" * limit, "B": "x"})
    with pytest.raises(ConfigurationError, match="253"):
        dialect("k8s").update("", {"A" * 254: "x"})


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "dotenv"])
def test_compare_tells_names_and_kinds_only(name):
    """Missing, changed and superfluous keys, and nothing of their values."""
    format_ = dialect(name)
    existing = format_.update("", {"A": "1", "B": "canary", "X": "9"})
    differences = format_.compare(existing, {"A": "1", "B": "2", "C": "canary"})
    assert differences == [
        Difference("B", "changed"),
        Difference("C", "missing"),
        Difference("X", "extra"),
    ]
    assert "canary" not in repr(differences)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shell", "rm -rf canary"),
        ("shell", "export A='canary"),
        ("docker", "A B=canary"),
        ("docker", "=canary"),
        ("json", "[canary"),
        ("json", '{"A": {"canary": 1}}'),
        ("yaml", "A: [canary]"),
        ("yaml", "canary"),
        ("yaml", "A: canary\nA: canary\n"),
        ("yaml", "A: &x canary\nB: *x\n"),
        ("yaml", "A: canary\n---\nA: canary\n"),
        ("yaml", "A: 5\nB: canary\n"),
        ("yaml", "A: !!python/name:canary\n"),
        ("yaml", "A: canary: x\n"),
        ("yaml", "A: {canary: x}\n"),
        ("yaml", "[" * 100_000),
        ("yaml", "# canary\n"),
        ("yaml", "A: canary # " + "x" * 5_000_000),
        ("json", '{"A": "canary", "A": "x"}'),
        ("k8s", 'data:\n  "A": "canary!"\n'),
        ("k8s", 'data:\n  "A": "/w=="\n'),
        ("k8s", "data:\n  A: canary\n"),
    ],
)
def test_a_file_of_another_kind_is_an_error(name, text):
    """What is not of the format is an error without a word of it."""
    with pytest.raises(ConfigurationError) as caught:
        dialect(name).compare(text, {"A": "x"})
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_unknown_format_is_named():
    """The error lists the formats there are."""
    with pytest.raises(ConfigurationError, match="no format 'toml': use dotenv, shell, docker"):
        dialect("toml")


JSON_SHAPES = ['{"A":"1","B":"x y"}', '\n{\n\t"B": "x\\u0020y",\n\t"A": "1"}']
YAML_SHAPES = [
    "# of the team\nA: '1' # one\nB: x y\n",
    'B: "x y"\nA: |-\n  1\n',
    '{"A": "1", "B": "x y"}',
    "---\nA: !!str 1\nB: >-\n  x\n  y\n...\n",
]
HEAD = "apiVersion: v1\nkind: Secret\n"
DATA = "data:\n  B: eCB5\n  A: MQ==\n"
SECRET_SHAPES = [
    f"{HEAD}metadata: {{name: app-secrets}}\ntype: Opaque\n{DATA}",
    f"# of the team\n{DATA}{HEAD}metadata:\n  name: app-secrets\n",
    f"{HEAD}metadata:\n  name: 'app-secrets'\ndata:\n  A: |\n    MQ=\n    =\n  B: eCB5\n",
]
SHAPES = [
    *(("json", text) for text in JSON_SHAPES),
    *(("yaml", text) for text in YAML_SHAPES),
    *(("k8s", text) for text in SECRET_SHAPES),
]


@pytest.mark.parametrize(("name", "text"), SHAPES)
def test_what_a_file_means_counts(name, text):
    """However others have written it, a file with our keys alone is ours, and compares equal."""
    document = dialect(name)
    values = {"A": "1", "B": "x y"}
    document.check_ours(text, values)
    assert document.parse(text) == values
    assert document.compare(text, values) == []
    assert document.compare(text, {"A": "canary", "B": "x y"}) == [Difference("A", "changed")]
    with pytest.raises(ForeignFileError, match=r"^it also has B$"):
        document.check_ours(text, {"A": "1"})


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}metadata: {{name: other}}\n{DATA}",
        f"{HEAD}metadata: {{name: app-secrets, namespace: canary}}\n{DATA}",
        f"{HEAD}metadata: {{name: app-secrets, annotations: {{canary: x}}}}\n{DATA}",
        f"{HEAD}metadata: {{name: app-secrets, labels: {{app: canary, more: x}}}}\n{DATA}",
        f"{HEAD}metadata: {{name: app-secrets, labels: canary}}\n{DATA}",
        f"{HEAD}metadata: canary\n{DATA}",
        f"{HEAD}metadata: {{name: app-secrets}}\n{DATA}stringData: {{C: canary}}\n",
        f"{HEAD}metadata: {{name: app-secrets}}\nimmutable: 'canary'\n{DATA}",
        f"{HEAD}metadata: {{name: app-secrets}}\ntype: canary\n{DATA}",
        f"{HEAD}metadata: {{name: app-secrets}}\ndata: canary\n",
        f"{HEAD}metadata: {{name: app-secrets}}\n",
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: app-secrets}}\n{DATA}",
    ],
)
def test_a_secret_with_anything_else_is_not_ours(text):
    """Another name, namespace, type, annotation, label or entry would be lost."""
    document = dialect("k8s", labels={"app": "shop"})
    for look in (document.check_ours, document.compare):
        with pytest.raises(ForeignFileError, match="not the Secret 'app-secrets'") as caught:
            look(text, {"A": "1", "B": "x y"})
        assert "canary" not in str(caught.value)


def test_namespace_and_labels():
    """They are in the manifest, and a Secret that wants some of them is ours and differs."""
    values = {"A": "1", "B": "x y"}
    document = dialect("k8s", namespace="prod", labels={"app": "shop", "example.org/team": ""})
    text = document.update("", values)
    assert yaml.safe_load(text)["metadata"] == {
        "name": "app-secrets",
        "namespace": "prod",
        "labels": {"app": "shop", "example.org/team": ""},
    }
    assert document.compare(text, values) == []
    assert document.wrote(text)
    bare = dialect("k8s").update("", values)
    document.check_ours(bare, values)
    assert document.compare(bare, values) == [
        Difference("the namespace", "missing"),
        Difference("the label app", "missing"),
        Difference("the label example.org/team", "missing"),
    ]
    other = dialect("k8s", namespace="prod", labels={"app": "canary"}).update("", values)
    assert document.compare(other, {"A": "2", "B": "x y"}) == [
        Difference("the label app", "changed"),
        Difference("the label example.org/team", "missing"),
        Difference("A", "changed"),
    ]


@pytest.mark.parametrize("namespace", ["", "Prod", "a.b", "-a", "a" * 64, "a\n"])
def test_a_namespace_that_kubernetes_would_refuse(namespace):
    """A namespace is an RFC 1123 label."""
    with pytest.raises(ConfigurationError, match="is not a valid namespace"):
        dialect("k8s", namespace=namespace)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "x"),
        ("-a", "x"),
        ("a b", "x"),
        ("a" * 64, "x"),
        ("/a", "x"),
        ("Example.org/a", "x"),
        ("a/b/c", "x"),
        ("a" * 254 + "/b", "x"),
        ("a", "-x"),
        ("a", "x y"),
        ("a", "x" * 64),
        ("a", "x\n"),
    ],
)
def test_a_label_that_kubernetes_would_refuse(key, value):
    """Names and values of labels follow Kubernetes' rules."""
    with pytest.raises(ConfigurationError, match=r"is not a valid label|cannot have the value"):
        dialect("k8s", labels={key: value})


LAUGHS = "a: &a x\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_billion_laughs():
    """Aliases are refused before anything is made of them."""
    with pytest.raises(ForeignFileError, match="line 2 has an alias"):
        dialect("yaml").parse(LAUGHS)


@pytest.mark.parametrize("name", ["yaml", "k8s"])
def test_without_pyyaml(monkeypatch, name):
    """It is needed only for what others wrote, and then the error says what to install."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "vaultconfig.render.trees", raising=False)
    document = dialect(name)
    own = document.update("", {"A": "1"})
    document.check_ours(own, {"A": "1"})
    assert document.compare(own, {"A": "2"}) == [Difference("A", "changed")]
    for look in (document.check_ours, document.compare):
        with pytest.raises(ConfigurationError, match=r"'scaivault-config\[yaml\]'") as caught:
            look(f"# mine\n{own}", {"A": "1"})
        assert not isinstance(caught.value, ForeignFileError)
        assert caught.value.__context__ is None


@given(values=VALUES)
def test_what_a_library_writes_is_taken(values):
    """Whatever PyYAML makes of the values compares equal."""
    try:
        dialect("yaml").update("", values)
    except ConfigurationError:
        return
    text = yaml.safe_dump(values)
    assert dialect("yaml").compare(text, values) == []


def test_a_damaged_file_is_not_quoted() -> None:
    """A line that no longer is an entry of ours may be a piece of a value, so it is not shown."""
    damaged = "A=1\nMIIEvQIBADANBgkqhkiG9w0=\n"
    differences = dialect("docker").compare(damaged, {"A": "1"})
    assert [difference.key for difference in differences] == ["(another entry)"]
