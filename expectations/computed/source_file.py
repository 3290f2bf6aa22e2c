"""The account of files: nothing lost, nothing twice."""

from __future__ import annotations

from expectations.base import RowExpectation


class EveryRowIsInOnePlace(RowExpectation):
    sentence = "rows_in = accepted + quarantined + duplicate + superseded does not hold for a file."
    fails_where = "rows_in <> rows_accepted + rows_quarantined + rows_duplicate + rows_superseded"


class FileIsReadWhole(RowExpectation):
    level = "warn"
    sentence = "More than a tenth of a file's rows wait in quarantine: look at the source."
    fails_where = "rows_in >= 20 AND rows_quarantined > rows_in / 10"
