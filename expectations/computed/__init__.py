"""Expectations on what is kept and computed, one file per table."""
