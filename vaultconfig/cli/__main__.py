"""``python -m vaultconfig.cli``: the command ``vaultconfig``, by the name of its script."""

from vaultconfig.cli import main

main()
