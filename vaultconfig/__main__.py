"""``python -m vaultconfig``: the command, where its script is not on the path."""

from vaultconfig.cli import main

main("python -m vaultconfig")
