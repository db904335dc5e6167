"""The fault matrix: what a user gets when something goes wrong, situation by situation.

`cells.toml` says what is expected, `faults` make things go wrong, `situations` observe.
"""
