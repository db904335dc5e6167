"""How the house looks before and after, side by side: ``python -m tests.house [REVISION…]``.

It says nothing about right or wrong; the tests do.
"""
