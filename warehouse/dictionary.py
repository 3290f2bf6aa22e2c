"""The dictionary as a page: every view and column that analysts read, as the database says it.

`python -m warehouse.dictionary > docs/dictionary.md` writes it anew; a test holds the page to what
the views are.
"""

from __future__ import annotations

import sys

import duckdb

from warehouse import publish, store

TITLE = """# Dictionary

Every view of `warehouse/undertow.duckdb`, from the database's own comments."""


def page() -> str:
    """The whole page, Markdown."""
    with duckdb.connect() as con:
        con.execute("ATTACH ':memory:' AS staging")
        store.create(con)
        publish.create_views(con)
        views = con.execute(
            "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main' "
            "AND NOT internal AND database_name = current_database() ORDER BY view_name"
        ).fetchall()
        sections = [_section(con, name, comment) for name, comment in views]
    return "\n\n".join([TITLE, *sections]) + "\n"


def _section(con: duckdb.DuckDBPyConnection, name: str, comment: str) -> str:
    """A view's grain, its example, and a line per column."""
    grain, _, example = comment.partition("Example: ")
    rows = con.execute(
        "SELECT column_name, type, unit, description FROM main.dictionary WHERE table_name = ?",
        [name],
    ).fetchall()
    lines = [f"| `{name}` | {kind} | {unit} | {_cell(text)} |" for name, kind, unit, text in rows]
    head = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    shown = [f"```sql\n{example.strip()}\n```"] if example else []
    return "\n\n".join([f"## {name}", grain.strip(), *shown, "\n".join(head + lines)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
