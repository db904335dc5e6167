"""Many processes at one vault with the documented limits: ``python -m tests.benchmarks.fleet``."""
