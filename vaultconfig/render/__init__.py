"""Secrets written down as text: the dialects, and the careful file writer.

`dialects.dialect` gives the format, `files` reads and replaces the file. Nothing here knows
settings classes or the vault: values come in as environment names and texts.
"""
