"""The libraries, each driven the way its own README does it.

A module holds `loader`, which takes the fields and returns what loads them, and where a library
keeps secrets between loads `forget`, which makes the next load a first one.
"""
