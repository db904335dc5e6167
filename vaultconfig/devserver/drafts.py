"""What a write asks for, checked: the body of a PUT, and a seed's secrets. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vaultconfig.devserver.problems import invalid

SECRET_TYPES = ("kv", "json", "certificate", "ssh_key", "api_key")
_DURATION = re.compile(r"([1-9][0-9]*)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A secret to be written; None leaves what the last version had, or the default.

    Attributes:
        expires_in: Seconds from the write; None for a version that does not expire.
    """

    data: Mapping[str, Any] = field(repr=False)
    secret_type: str | None = None
    metadata: Mapping[str, Any] | None = None
    max_versions: int | None = None
    expires_in: float | None = None
    rotation_policy_id: str | None = None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Draft:
        """Check the JSON object of a PUT.

        Raises:
            ApiError: ``validation_error``, with every field that is wrong.
        """
        options = body.get("options")
        wrong = {
            name: expected
            for name, (value, holds, expected) in _rules(body, options).items()
            if not holds(value)
        }
        if wrong:
            raise invalid(wrong)
        options = options or {}
        return cls(
            data=body["data"],
            secret_type=body.get("secret_type"),
            metadata=body.get("metadata"),
            max_versions=options.get("max_versions"),
            expires_in=_seconds(options.get("expires_in")),
            rotation_policy_id=options.get("rotation_policy_id"),
        )


_Rule = tuple[Any, Callable[[Any], bool], str]


def _rules(body: Mapping[str, Any], options: Any) -> dict[str, _Rule]:
    metadata = body.get("metadata")
    meta = metadata if isinstance(metadata, dict) else {}
    opts = options if isinstance(options, dict) else {}
    return {
        "data": (body.get("data"), is_json_object, "a JSON object is needed"),
        "secret_type": (
            body.get("secret_type"),
            lambda kind: kind is None or kind in SECRET_TYPES,
            f"one of {' '.join(SECRET_TYPES)}",
        ),
        "metadata": (metadata, _is_object_or_none, "a JSON object"),
        "metadata.description": (meta.get("description"), _is_text_or_none, "a text"),
        "metadata.tags": (meta.get("tags"), _are_tags, "a list of texts"),
        "options": (options, _is_object_or_none, "a JSON object"),
        "options.max_versions": (opts.get("max_versions"), _is_count, "a number from 1"),
        "options.expires_in": (opts.get("expires_in"), _is_duration, 'a duration such as "90d"'),
        "options.rotation_policy_id": (opts.get("rotation_policy_id"), _is_text_or_none, "a text"),
    }


def is_json_object(value: Any) -> bool:
    """Whether *value* is a JSON object all the way down: texts as keys, no dates, no NaN."""
    return isinstance(value, dict) and _is_json(value)


def _is_json(value: Any) -> bool:
    match value:
        case dict():
            return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
        case list():
            return all(_is_json(item) for item in value)
        case float():
            return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def _is_object_or_none(value: Any) -> bool:
    return value is None or is_json_object(value)


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _are_tags(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(t, str) for t in value))


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 1)


def _is_duration(value: Any) -> bool:
    return value is None or (isinstance(value, str) and _DURATION.fullmatch(value) is not None)


def _seconds(duration: str | None) -> float | None:
    if duration is None:
        return None
    return float(int(duration[:-1]) * _SECONDS[duration[-1]])
