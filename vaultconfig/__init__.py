"""Typed application settings whose secrets live in ScaiVault. Importing it loads no HTTP library."""
