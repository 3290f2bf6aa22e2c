"""Read a published warehouse: it only, and nothing else of the machine.

Use it in scripts and notebooks: ``with connect("warehouse/undertow.duckdb") as con``. What a query
may not do is settled by DuckDB's own configuration, which is locked; no query is parsed for it.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path

import duckdb

from warehouse.store import quoted

SHUT = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}
"""No file but this one, no network, no extension, nothing kept, no variable of the caller."""
NAME = "undertow"
"""What the file is called in the session. It is attached to a private database in memory: DuckDB
would give a second connection of a process to one file the first one's configuration, or refuse."""
MEMORY, SPILL = "2GB", "8GB"
"""What a query may use of memory and, beyond it, of the disk. Judgement: a query that would fill
the disk fails before the night has no room left."""


def connect(
    path: Path | str,
    *,
    memory_limit: str = MEMORY,
    spill_limit: str = SPILL,
    beside: Mapping[str, Path] | None = None,
) -> duckdb.DuckDBPyConnection:
    """A read-only connection that can do nothing but read.

    Args:
        path: the published file, or the link to it.
        memory_limit: DuckDB's, such as ``2GB``; empty for its default.
        spill_limit: what may lie in a private temporary folder, gone with the connection; empty
            for DuckDB's default.
        beside: other published files to read in the same session, by the name they get.
    """
    spill = Path(tempfile.mkdtemp(prefix="undertow-read-"))
    con = duckdb.connect(config={"temp_directory": str(spill)})
    weakref.finalize(con, shutil.rmtree, spill, ignore_errors=True)
    limits = {"max_temp_directory_size": spill_limit, "memory_limit": memory_limit}
    for setting, limit in limits.items():  # DuckDB 1.5.5 heeds the first only when it is SET
        if limit:
            con.execute(f"SET {setting} = {quoted(limit)}")
    for name, file in {**(beside or {}), NAME: path}.items():
        whole = Path(file).resolve()  # the version, not the link, which will point elsewhere
        con.execute(f'ATTACH {quoted(whole)} AS "{name}" (READ_ONLY)')
    con.execute(f"USE {NAME}")
    for setting, value in SHUT.items():
        con.execute(f"SET {setting} = {str(value).lower()}")
    con.execute("SET lock_configuration = true")
    return con
