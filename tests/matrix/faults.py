"""The faults: each puts a real server, or what is around it, in a condition that goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.matrix.answers import ANSWERS
from tests.matrix.fault import Trouble
from tests.matrix.network import NETWORK
from tests.matrix.surroundings import SURROUNDINGS

FAULTS: Final[Mapping[str, Trouble]] = {**NETWORK, **ANSWERS, **SURROUNDINGS}
