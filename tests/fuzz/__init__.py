"""Hostile input for every reader: ``python -m tests.fuzz [reader ...] --seconds 60``.

Every reader must either refuse a file or put each of its rows in its place (``holding.py``). Seeds
are small good files (``seeds.py``), changed by a plain seeded mutator (``mutation.py``, the default
suite's) or guided by coverage (``guided.py``, where atheris is installed). What was found stands as
small tests in ``test_found.py``.
"""
