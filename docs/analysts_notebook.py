"""Questions analysts ask, as a marimo notebook: ``marimo edit docs/analysts_notebook.py``.

Set UNDERTOW_HOME to your home; without it the demo's (``make demo``) is asked.
"""

import marimo

app = marimo.App(width="medium", app_title="Undertow: questions analysts ask")


@app.cell
def _():
    import os
    from pathlib import Path

    import marimo as mo

    from flows.home import Home
    from flows.pictures.palette import fixed
    from flows.questions import answered, numbered, pictured, questions
    from flows.reading import published

    home = Home(Path(os.environ.get("UNDERTOW_HOME", "var/demo")).absolute())

    def ask(number):
        """Question, query, answer and picture."""
        question = numbered(number)
        with published(home, for_analysts=True) as con:
            answer = answered(con, question)
        picture = pictured(question, answer)
        return mo.vstack(
            [
                mo.md(f"## {question.number}. {question.question}\n\n{question.reading}"),
                mo.Html(fixed(picture.svg)),
                mo.ui.table(answer.to_dicts(), selection=None),
                mo.accordion({"SQL": mo.md(f"```sql\n{question.sql.strip()}\n```")}),
            ]
        )

    return ask, home, mo, questions


@app.cell
def _(home, mo):
    mo.md(f"# Questions analysts ask\n\nof `{home.root.name}`")


@app.cell
def _(ask):
    ask(1)


@app.cell
def _(ask):
    ask(2)


@app.cell
def _(ask):
    ask(3)


@app.cell
def _(ask):
    ask(4)


@app.cell
def _(ask):
    ask(5)


@app.cell
def _(ask):
    ask(6)


@app.cell
def _(ask):
    ask(7)


@app.cell
def _(ask):
    ask(8)


@app.cell
def _(ask):
    ask(9)


@app.cell
def _(ask):
    ask(10)


@app.cell
def _(ask):
    ask(11)


@app.cell
def _(ask):
    ask(12)


@app.cell
def _(ask):
    ask(13)


if __name__ == "__main__":
    app.run()
