"""``python -m vaultconfig.cli``."""

from vaultconfig.cli import main

main()
