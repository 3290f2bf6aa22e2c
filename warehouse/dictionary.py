"""The dictionary as a page: every view and column that analysts read, as the database says it.

`python -m warehouse.dictionary > docs/dictionary.md` writes it anew; a test holds the page to what
the views are.
"""

from __future__ import annotations

import sys

import duckdb

from warehouse import publish, store

TITLE = """# Dictionary

Every view and macro of `warehouse/undertow.duckdb`, from the database's own comments. Macros are
asked like tables, with their arguments in brackets; of an attached night only after `USE`."""
_VIEWS = (
    "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main' "
    "AND NOT internal AND database_name = current_database() ORDER BY view_name"
)
_MACROS = (
    "SELECT function_name, comment FROM duckdb_functions() WHERE schema_name = 'main' "
    "AND NOT internal AND database_name = current_database() ORDER BY function_name"
)


def page() -> str:
    """The whole page, Markdown."""
    with duckdb.connect() as con:
        con.execute("ATTACH ':memory:' AS staging")
        store.create(con)
        publish.create_views(con)
        publish.create_macros(con, "")
        named = con.execute(_VIEWS).fetchall() + con.execute(_MACROS).fetchall()
        sections = [_section(con, name, comment) for name, comment in named]
    return "\n\n".join([TITLE, *sections]) + "\n"


def _section(con: duckdb.DuckDBPyConnection, name: str, comment: str) -> str:
    """A view's grain and key, its example, and a line per column."""
    grain, _, example = comment.partition("Example: ")
    grain, _, key = grain.partition("Key: ")
    takes = publish.arguments(comment)
    named = f"{name}({', '.join(takes)})" if takes else name
    keyed = [f"Key: {key.partition(' Takes: ')[0].strip()}."] if key else []
    rows = con.execute(
        "SELECT column_name, type, unit, description FROM main.dictionary WHERE table_name = ?",
        [name],
    ).fetchall()
    lines = [f"| `{name}` | {kind} | {unit} | {_cell(text)} |" for name, kind, unit, text in rows]
    head = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    shown = [f"```sql\n{example.strip()}\n```"] if example else []
    return "\n\n".join([f"## {named}", grain.strip(), *keyed, *shown, "\n".join(head + lines)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
