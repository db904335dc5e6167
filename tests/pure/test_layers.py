"""What one source gave: where it stands, which variable gave a part of it, and what shows."""

from __future__ import annotations

from typing import Any

import pytest

from vaultconfig.loading.layers import COMMAND_LINE, DOTENV, ENVIRONMENT, Layer, Provenance, Rank
from vaultconfig.loading.places import Place


class Variables:
    """Those of an environment that gives ``db`` as JSON, and ``api`` key by key."""

    def name_at(self, place: Place) -> str | None:
        return {("db",): "DB", ("api", "key"): "API__KEY"}.get(place)

    def read(self, place: Place, text: str) -> Any:
        return text


@pytest.mark.parametrize(
    ("source", "rank"),
    [
        *[("argument", Rank.ABOVE), ("command line", Rank.ABOVE), ("environment", Rank.ABOVE)],
        *[(".env", Rank.BELOW), ("secrets directory", Rank.BELOW), ("default", Rank.BELOW)],
        ("SomeSource", Rank.BELOW),
    ],
)
def test_where_a_source_stands(source: str, rank: Rank) -> None:
    """Arguments, command line and environment count more than the vault."""
    layer = Layer(source, {})
    assert (layer.rank, layer.is_above) == (rank, rank is Rank.ABOVE)


def test_the_ranks_are_in_order() -> None:
    """A lower one counts more."""
    assert Rank.ABOVE < Rank.VAULT < Rank.BELOW


def test_the_variable_around_a_value() -> None:
    """The innermost one that holds it; what was given whole has one of its own."""
    layer = Layer(ENVIRONMENT, {"db": {"a": [1]}, "api": {"key": 1}}, Variables())
    assert layer.variable_around(("db",)) == "DB"
    assert layer.variable_around(("db", "a")) == layer.variable_around(("db", "a", 0)) == "DB"
    assert layer.variable_around(("api", "key")) == "API__KEY"
    assert layer.variable_around(("api",)) is None
    assert layer.variable_around(()) is None
    assert [layer.gives_whole(place) for place in (("db",), ("api",))] == [True, False]


def test_a_source_without_variables() -> None:
    """What it gives is whole; the keys of the command line are no variables."""
    layer = Layer(DOTENV, {"db": 1})
    assert layer.variable_around(("db",)) is None
    assert layer.gives_whole(("db",))
    assert Layer(COMMAND_LINE, {"db": 1}, Variables()).variable_around(("db",)) is None
    assert layer.as_written("vault:a") is None


def test_a_layer_shows_no_value() -> None:
    """A traceback with locals has its name."""
    assert repr(Layer(DOTENV, {"db": "canary"})) == "<Layer .env>"


def test_the_secret_of_a_value() -> None:
    """The first one, where a template has several."""
    provenance = Provenance("vault", (("a", 3), ("b", 4)))
    assert (provenance.path, provenance.version) == ("a", 3)
    assert (Provenance(".env").path, Provenance(".env").version) == (None, None)
