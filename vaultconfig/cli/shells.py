"""Completions for bash. Loads nothing but click."""

from __future__ import annotations

import os
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, split_arg_string


class Bash(BashComplete):
    """click's completion for bash, which would take ``vault:a/b`` and ``KEY=x`` for three words."""

    source_template = BashComplete.source_template.replace(
        '"${COMP_WORDS[*]}"', '"${COMP_LINE:0:COMP_POINT}"'
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one at the cursor, and that one."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1].isspace() else ""
        # Bash replaces only what follows these, but within quotes the whole word.
        is_quoted = line.rpartition(" ")[2].startswith(('"', "'"))
        start = 0 if is_quoted else 1 + max(map(incomplete.rfind, ":=@"))
        self._kept = incomplete[:start]
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return a line of the answer."""
        return f"{item.type},{item.value.removeprefix(self._kept)}"
