"""`predict` reads rows as the model's own table is written."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Project, spec

pytestmark = pytest.mark.slow

ROWS = [(i % 17, i % 5, 3 * (i % 17) - 2 * (i % 5)) for i in range(120)]


def answers(project: Project, text: str) -> list[float]:
    file = str(project.write("rows.csv", text))
    out = project.reconciler("predict", "line", "--data", file, "--output", "json").stdout
    return [row["prediction"] for row in json.loads(out)["predictions"]]


def test_rows_without_a_header_are_read_under_the_names_that_training_gave(
    project: Project,
) -> None:
    table = "".join(f"{a},{b},{y}\n" for a, b, y in ROWS)
    project.write("data/line.csv", table)
    reader = {"reader": {"header": False}}
    declared = spec("line", source="data/line.csv", target="column_3", data=reader)
    project.write("specs/line.yaml", declared)
    project.reconciler("compile")
    project.commit("Declare a table without a header")
    project.reconciler("apply")

    wanted = [pytest.approx(y, abs=1) for _, _, y in ROWS[:5]]
    first = [f"{a},{b}\n" for a, b, _ in ROWS[:5]]
    assert answers(project, "".join(table.splitlines(keepends=True)[:5])) == wanted
    assert answers(project, "".join(first)) == wanted, "the target need not be there"
    assert answers(project, "column_1,column_2\n" + "".join(first)) == wanted, "names are a header"
