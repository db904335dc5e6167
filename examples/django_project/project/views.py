"""Shows which key is in use, by its fingerprint, and whether the database lets us in."""

import hashlib
import logging
import os
from typing import Any

from django.db import connection
from django.dispatch import receiver
from django.http import HttpRequest, JsonResponse

import vaultconfig.django
from vaultconfig import Change
from vaultconfig.django import vault_refreshed

logger = logging.getLogger(__name__)


def fingerprint(secret: str) -> str:
    """Tell secrets apart without telling them."""
    return hashlib.sha256(b"fingerprint of " + secret.encode()).hexdigest()[:12]


def index(_: HttpRequest) -> JsonResponse:
    key = vaultconfig.django.live.current.signing_key.get_secret_value()
    return JsonResponse({"key": fingerprint(key), "pid": os.getpid()})


def database(_: HttpRequest) -> JsonResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        (one,) = cursor.fetchone()
    return JsonResponse({"answer": one, "pid": os.getpid()})


@receiver(vault_refreshed)
def log_rotation(change: Change[Any], **_: object) -> None:
    logger.warning("rotated: %s", ", ".join(sorted(change.fields)))
