"""Values from the vault that do not show, and how settings print."""
