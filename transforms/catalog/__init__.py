"""Reviewed data: what clinicians and engineers agreed on, as records with their sources.

One place each: ``analytes`` (codes and limits), ``units`` (factors), ``exclusions`` (who and
which draws the rule leaves out), ``rule`` (the status rule's thresholds), ``prior`` (the trend
model's), ``indices``, ``reasons`` (every reason code with its sentence), ``fields`` and
``tables`` (what is kept, documented).
"""
