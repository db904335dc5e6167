"""A database backend: Django's own for PostgreSQL, which survives a rotated password."""
