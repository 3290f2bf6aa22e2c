"""Expectations on arriving rows, one file per landing table."""
