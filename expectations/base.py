"""An expectation: a name, a severity, a sentence for people and one SQL predicate.

The subclass of Great Expectations' ``UnexpectedRowsExpectation`` says *which rows fail*
(``fails_where``, SQL over one table's columns); its name is its class name in snake case.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import ClassVar, Literal

from great_expectations.compatibility.pydantic import PrivateAttr
from great_expectations.expectations import UnexpectedRowsExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity

Severity = Literal["reject", "warn"]


class RowExpectation(UnexpectedRowsExpectation):
    """Base of every expectation here.

    ``level`` ``reject``: an arriving row goes to quarantine, a computed one fails the night.
    ``warn``: counted and shown, nothing is held. ``sentence`` says what is wrong and what to do.
    A predicate that is NULL does not fail, in the report and in the quarantine alike.
    """

    level: ClassVar[Severity] = "reject"
    sentence: ClassVar[str]
    fails_where: ClassVar[str]
    _configuration: ExpectationConfiguration | None = PrivateAttr(default=None)

    @property
    def configuration(self) -> ExpectationConfiguration:
        """What GX runs, made once: GX asks for it forty times, and a stated expectation stays."""
        if self._configuration is None:
            self._configuration = super().configuration
        return self._configuration

    @classmethod
    def label(cls) -> str:
        """The name in tables and reports, such as ``unit_is_known``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def stated(cls) -> RowExpectation:
        """The expectation ready to run: its predicate as the query of unexpected rows."""
        predicate = cls.fails_where.replace("{", "{{").replace("}", "}}")
        severity = FailureSeverity.CRITICAL if cls.level == "reject" else FailureSeverity.WARNING
        return cls(
            unexpected_rows_query=f"SELECT 1 AS failed FROM {{batch}} WHERE {predicate}",
            severity=severity,
        )


Suite = tuple[type[RowExpectation], ...]


def suite(stage: Literal["incoming", "computed"], table: str) -> Suite:
    """The expectations its file imports and defines, in that order; empty where it has no file."""
    if table not in _tables(stage):
        return ()
    module = importlib.import_module(f"expectations.{stage}.{table}")
    found = [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, RowExpectation) and item is not RowExpectation
    ]
    return tuple(found)


def suites(stage: Literal["incoming", "computed"]) -> dict[str, Suite]:
    """Every table of a stage that has expectations, with them."""
    return {table: suite(stage, table) for table in _tables(stage)}


def _tables(stage: str) -> tuple[str, ...]:
    package = importlib.import_module(f"expectations.{stage}")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))
