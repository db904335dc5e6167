"""Other libraries doing the same work over the same server: ``python -m tests.benchmarks.peers``.

It runs in an environment of its own, ``.venv-peers``, which ``make bench-peers`` makes.
"""
