"""A Django project whose secrets live in ScaiVault."""
