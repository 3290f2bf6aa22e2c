"""What is computed: pure Polars, no clock, no environment, no database.

Layers inside, lowest first: ``catalog`` (reviewed data), the shapes and expressions
(``landing``, ``text``, ``delimited``, ``values``, ``instants``), ``readers`` (one file per
format), then the frames in the order a night makes them.
"""
