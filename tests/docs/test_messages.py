"""The pages that are looked up by a message have it as it is printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.docs.blocks import DOCS, ROOT, blocks_of
from vaultconfig.client.codes import CODES, Kind

TROUBLESHOOTING = DOCS / "how-to" / "troubleshooting.md"
TOKEN = DOCS / "how-to" / "token.md"


def _messages_of_the_code() -> Iterator[str]:
    """Yield each text in the package, with an ellipsis for what is put into it."""
    for file in (ROOT / "vaultconfig").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if id(node) in docstrings:
                continue
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts
            )
            if " " in text:
                yield re.sub(r"%[sd]|%\.\df|\{\d?\}", "…", text)


def test_each_message_of_the_page_is_one_of_ours() -> None:
    """What a reader searches for is what the code says, but for what is put into it."""
    ours = set(_messages_of_the_code())
    ours |= {block.text for block in blocks_of(TROUBLESHOOTING) if block.language == "console"}
    rows = re.findall(r"^\| (`.+?) \| ", TROUBLESHOOTING.read_text(encoding="utf-8"), re.MULTILINE)
    said = [message for row in rows for message in re.findall(r"`([^`]+ [^`]+ [^`]+)`", row)]
    assert len(said) > 80
    unknown = [
        message
        for message in said
        if not any(re.search(".*".join(map(re.escape, message.split("…"))), text) for text in ours)
    ]
    assert unknown == []


def test_each_rejection_has_its_row() -> None:
    """The page about tokens lists every code that rejects one, with the words of the message."""
    page = TOKEN.read_text(encoding="utf-8")
    absent = [
        code
        for code, meaning in CODES.items()
        if meaning.kind in (Kind.TOKEN, Kind.DENIED)
        and f"| `{code}` | {meaning.advice or 'ask for a policy that allows it'} |" not in page
    ]
    assert absent == []
