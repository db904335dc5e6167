"""The Dockerfiles of docs/how-to/docker.md, as far as they can be run without docker."""

from __future__ import annotations

import json
import re
import shlex

from tests.docs.blocks import DOCS, blocks_of

PAGE = DOCS / "how-to" / "docker.md"
INSTRUCTION = re.compile(r"(FROM|WORKDIR|COPY|USER|RUN|HEALTHCHECK|ENTRYPOINT|CMD) (.+)")


def test_what_a_dockerfile_runs_is_run_on_the_page() -> None:
    """Each command in brackets is JSON, as docker wants it, and is one that a reader can try."""
    blocks = list(blocks_of(PAGE))
    tried = "\n".join(block.text for block in blocks if block.language == "console")
    found = [
        instruction
        for block in blocks
        if block.language == "dockerfile"
        for line in block.text.splitlines()
        if (instruction := INSTRUCTION.fullmatch(line)) or not line.startswith("#")
    ]
    assert None not in found, "an instruction that docker does not have"
    commands = [
        json.loads(each[2][each[2].index('["') :]) for each in found if each and '["' in each[2]
    ]
    assert len(commands) == 5
    for command in commands:
        words = [word for word in command if "os.getpid" not in word]  # quoted otherwise there
        assert shlex.join(words) in tried, command
