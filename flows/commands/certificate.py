"""Certificates: what stands behind one status, in a file that stands alone."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from flows.commands.base import FOLDER, home_of, shared, tell, warehouse


@click.command()
@click.argument("patient")
@click.option("--to", required=True, type=FOLDER, help="A folder; it gets JSON and HTML.")
@click.option("--anonymous", is_flag=True, help="A random label in place of the id; dates stay.")
@shared
def certificate(patient: str, to: Path, anonymous: bool, home: str | None, as_json: bool) -> None:
    """Write everything behind the status of PATIENT into files that verify on their own."""
    from flows.certificate import certified, write

    label = f"anonymous-{secrets.token_hex(6)}" if anonymous else None
    with warehouse(home_of(home)) as con:
        found = certified(con, patient, label)
    data, page = write(found, to)
    status = found.found.status.replace("_", " ")
    tell(
        {"certificate": str(data), "page": str(page), "status": found.found.status}
        | {"content_sha256": found.content_sha256, "as_of": found.as_of.isoformat()},
        as_json,
        f"{data}\n{page}\n{status} as of {found.as_of}; it holds patients' data. Check it with "
        f"`undertow verify {data.name}`.",
    )


COMMANDS = (certificate,)
