"""How long live settings take to be built again after a rotation."""

from __future__ import annotations

from typing import Any

from pydantic import create_model

from tests.benchmarks.measuring import Result, compare, cpu
from tests.benchmarks.subjects import path_of, vault_class, vault_with
from vaultconfig.live.loader import build
from vaultconfig.masking.redactor import Redactor
from vaultconfig.masking.values import mask
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.vaults.cache import Reading, now

FIELDS, PATHS = 200, 100


def rebuild() -> Result:
    """One of 200 fields has another value; the class is called again, its sources are not."""
    values = {f"field{n}": f"value-{n}" for n in range(FIELDS)}
    declared: dict[str, Any] = dict.fromkeys(values, (str, ...))
    model = create_model("Model", **declared)
    cls, unused = vault_class(FIELDS, paths=PATHS), Redactor()
    with vault_with(FIELDS, paths=PATHS):
        before = build(cls, {}, clock=now, redactor=unused)
    data = {"key0": "rotated", f"key{PATHS}": f"value-{PATHS}"}
    news = {SecretKey(path_of(0)): Reading(Secret(path_of(0), 2, mask(data)), now())}

    def ours() -> None:
        build(cls, {}, clock=now, redactor=unused, before=before, news=news)

    return compare(
        "a rebuild after a rotation of one of 200 fields : pydantic's validation",
        10.0,
        ours=ours,
        theirs=lambda: model.model_validate(values),
        turns=40,
        repeat=10,
        clock=cpu,
    )
