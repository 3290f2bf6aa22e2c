"""The ``nightly`` Prefect flow: the same list of steps, each a task.

Prefect's database shows what it is given, in clear, so it is given nothing: parameters are the
home's path and a date, tasks take and return no data (counts go to the ledger), nothing is
persisted or cached, and an error leaves a task only as its class and step. Prefect's state is
never the truth of what ran: the ledger is.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

from polars.exceptions import PanicException  # derives from BaseException
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.home import Home
from flows.night import Night, Step, finished, opened, perform
from flows.settings import load
from flows.steps import STEPS
from flows.terminal import progress_shown

RETRY_SECONDS = 30


class StepFailedError(RuntimeError):
    """A step failed; the ledger and the process's own error output know more."""


def _clock() -> datetime:
    return datetime.now(UTC)


def _run(night: Night, step: Step) -> None:
    """One step as a task: retried if it only reads and writes files or mail."""

    def body() -> None:
        try:
            perform(night, step)
        except (Exception, PanicException) as error:  # noqa: BLE001 no message may reach Prefect
            raise StepFailedError(f"{step.name}: {type(error).__name__}") from None

    as_task = task(
        name=step.name,
        task_run_name=step.name,
        retries=step.retries,
        retry_delay_seconds=RETRY_SECONDS,
        cache_policy=NO_CACHE,
        persist_result=False,
        log_prints=False,
    )
    as_task(body)()


@flow(name="nightly", flow_run_name="nightly", persist_result=False, log_prints=False, retries=0)
def nightly(home: str = "", as_of: str | None = None) -> None:
    """One night under Prefect.

    Args:
        home: the home directory; empty for ``UNDERTOW_HOME``, else ``./var``.
        as_of: the night's business date, ISO; None for today's.
    """
    place = Home(Path(home or os.environ.get("UNDERTOW_HOME", "var")).expanduser().absolute())
    day = date.fromisoformat(as_of) if as_of else None
    with (
        progress_shown() as progress,
        opened(place, load(place.settings), _clock, progress, day) as night,
        finished(night),
    ):
        for step in STEPS:
            _run(night, step)


if __name__ == "__main__":
    nightly()
