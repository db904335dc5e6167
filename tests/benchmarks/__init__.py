"""How fast it is, as ratios to what it can't be faster than: ``python -m tests.benchmarks``.

Numbers depend on the machine, so none of them is a test.
"""
