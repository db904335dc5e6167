"""Request bodies: what each may hold, checked by pydantic. Pure.

A key that a body does not know is left alone, since ScaiVault's pages may not name every one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from vaultconfig.devserver.answers import ApiError, invalid

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# In place of pydantic's words, which name our classes and Python's types.
_WORDS = {
    "model_type": "Input should be a JSON object",
    "tuple_type": "Input should be a valid list",
    "string_pattern_mismatch": 'Input should be a duration such as "90d"',
}


class Body(BaseModel):
    """A JSON object of known shape; a text is not a number and 1 is not true."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True, frozen=True, hide_input_in_errors=True
    )

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Return what a request's *body* says.

        Raises:
            ApiError: ``invalid_request`` if it is not a JSON object; else as `parse`.
        """
        document = None
        with suppress(ValueError, RecursionError):
            # Not pydantic's parser: it takes no lone surrogate. `int` rejects NaN and Infinity.
            document = json.loads(body, parse_constant=int)
        if not isinstance(document, dict):
            raise ApiError("invalid_request", "the body has to be a JSON object")
        return cls.parse(document)

    @classmethod
    def parse(cls, document: object) -> Self:
        """Check *document*.

        Raises:
            ApiError: ``validation_error``, with every field that is wrong.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as exc:  # raised anew outside, since it holds the values
            errors = exc.errors(include_url=False, include_context=False, include_input=False)
        no_such_key = f"There is no such key; there are {' '.join(cls.model_fields)}"
        words = {**_WORDS, "extra_forbidden": no_such_key}
        fields = {}
        for error in errors:
            place = ".".join(part for part in error["loc"] if isinstance(part, str))
            fields[place] = words.get(error["type"], error["msg"])
        raise invalid(fields)


def json_object(value: object) -> dict[str, Any]:
    """Return a copy of *value* if it is a JSON object all the way down: no dates, no NaN."""
    with suppress(TypeError, ValueError, RecursionError):
        copy = json.loads(json.dumps(value, allow_nan=False))
        if isinstance(copy, dict) and copy == value:  # a key that was not text has become one
            return copy
    raise PydanticCustomError("json_object", "Input should be a JSON object")


JsonObject = Annotated[dict[str, Any], PlainValidator(json_object)]
Count = Annotated[int, Field(ge=1)]
SecretType = Literal["kv", "json", "certificate", "ssh_key", "api_key"]
EventType = Literal[
    "secret.created", "secret.updated", "secret.rotated", "secret.deleted", "secret.expiring"
]


class Metadata(Body, extra="allow"):
    """What is known of a secret; it may hold more than is named here."""

    description: str | None = None
    tags: list[str] | None = None


class WriteOptions(Body):
    """How a secret is kept; `expires_in` is a duration such as ``90d``."""

    max_versions: Count | None = None
    expires_in: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[smhd]$")] | None = None
    rotation_policy_id: str | None = None

    @property
    def lifetime(self) -> float | None:
        """Seconds from the write; None for a version that does not expire."""
        if self.expires_in is None:
            return None
        return float(self.expires_in[:-1]) * _SECONDS[self.expires_in[-1]]


class Draft(Body):
    """A secret to be written; None leaves what the last version had, or the default."""

    data: JsonObject = Field(repr=False)
    secret_type: SecretType | None = None
    metadata: Annotated[Metadata, BeforeValidator(json_object)] | None = None
    options: WriteOptions | None = None


class BatchOptions(Body):
    """What a batch is to do; `version` pins all its paths."""

    include_metadata: bool = False
    fail_fast: bool = False
    version: Count | None = None


class Batch(Body):
    """Secrets to be read at once."""

    paths: list[str]
    options: BatchOptions | None = None


class Delivery(Body):
    """How events are delivered; this server sends no webhooks."""

    type: Literal["polling"]
    buffer_size: Count = 1000


class NewSubscription(Body):
    """What a subscription asks for."""

    name: Annotated[str, Field(min_length=1)]
    paths: Annotated[list[str], Field(min_length=1)]
    events: Annotated[list[EventType], Field(min_length=1)] = list(get_args(EventType))
    delivery: Delivery


class Acknowledgement(Body):
    """Events that need not come again."""

    event_ids: list[str]
