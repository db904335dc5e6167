"""Tables of what layers become with the vault among them, a row for each case."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from pydantic import BaseModel, create_model

from tests.pure.loads import Answering, load, told
from vaultconfig.loading.layers import Layer
from vaultconfig.loading.report import Report
from vaultconfig.masking.values import unmask

SECRETS: dict[str, Any] = {
    "a": {"token": "t", "number": 7, "null": None, "items": ["x", "vault:b#key"]},
    "b": {"key": "k", "kind": "one"},
    "small": {"k": 1},
    "whole": {"key": "w", "more": {"deep": 1}},
    "list": {
        "items": [{"key": "i"}, {}],
        "numbers": [{"key": 7}],
        "holdings": [{"whole": {"x": 1}}],
    },
    "here": {"kind": "here", "at": 2},
    "outer": {"inner": {"key": "o"}, "free": {"x": 1}},
    "held": {"holder": "vault:b#key", "whole": {"x": 1}},
}

Row: TypeAlias = tuple[str, list[Layer], dict[str, Any], str]
"""The field of a model that is loaded alone, the layers, what they become, and what is told."""


def rows(*table: Row) -> pytest.MarkDecorator:
    """Run a test for each row of *table*, which is named after its field."""
    return pytest.mark.parametrize("row", table, ids=[name for name, *_ in table])


def outcome(model: type[BaseModel], row: Row, **options: Any) -> tuple[dict[str, Any], str]:
    """Return what the layers of *row* become, and what is told: what stands at its end."""
    report = loaded(model, row[0], *row[1], **options)
    return unmask(report.state), "; ".join(told(report))


def loaded(
    model: type[BaseModel], name: str, *layers: Layer, secrets: Any = SECRETS, **options: Any
) -> Report:
    """Return what becomes of the field *name* of *model*."""
    info = model.model_fields[name]
    fields: Any = {name: (info.annotation, info)}
    return load(create_model("Some", **fields), layers, Answering(secrets), **options)
