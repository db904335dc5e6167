"""Logins that follow the vault, a module for each driver. None is imported until you import it."""
