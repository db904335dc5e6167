"""What a reference says: ``vault:path?options#field``, and templates of references. Pure.

The only place that knows the grammar, which docs/reference/references.md explains to users. It
parses, prints, fills in placeholders and picks fields out of secrets; it fetches nothing.
"""

from vaultconfig.references.near_misses import meant_by
from vaultconfig.references.options import parse_duration
from vaultconfig.references.picking import Resolved, as_json, as_text, pick, picked
from vaultconfig.references.reference import VaultRef
from vaultconfig.references.template import (
    Insert,
    Template,
    expanded_in,
    is_reference,
    parse,
    without_quotes,
)

__all__ = [
    "Insert",
    "Resolved",
    "Template",
    "VaultRef",
    "as_json",
    "as_text",
    "expanded_in",
    "is_reference",
    "meant_by",
    "parse",
    "parse_duration",
    "pick",
    "picked",
    "without_quotes",
]
