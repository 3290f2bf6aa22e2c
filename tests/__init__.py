"""The tests. A package by name, because an installed library brings a `tests` of its own, which
would else be found in its place by `python -m tests.benchmarks`."""
