"""Lines that a repository lacks: added at the end, once, and never over what is the user's."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.setup import Did, ignoring, outputs, taken

WANTED = {"ours": ("/models/", "/.reconciler/"), "theirs": ("/data/prepared/",)}


def test_an_absent_file_is_written_in_groups() -> None:
    [step] = ignoring(".gitignore", None, WANTED)
    assert step.did is Did.WROTE
    assert step.content == b"# ours\n/models/\n/.reconciler/\n\n# theirs\n/data/prepared/\n"


@pytest.mark.parametrize("line", ["/models/", "models", "models/", "/models", "  models "])
def test_a_line_that_is_there_in_another_spelling_is_not_added(line: str) -> None:
    [step] = ignoring(".gitignore", f"{line}\r\n\xff".encode("latin-1"), WANTED)
    assert str(step) == "2 lines to .gitignore"
    assert step.content is not None
    assert step.content.startswith(f"{line}\r\n\xff".encode("latin-1"))
    assert b"/models/" not in step.content.removeprefix(line.encode())


def test_a_file_that_has_all_lines_stays() -> None:
    [written] = ignoring(".gitignore", b"x", WANTED)
    [step] = ignoring(".gitignore", written.content, WANTED)
    assert (step.did, step.content, step.note) == (Did.KEPT, None, "")


def test_a_pattern_that_would_hide_something_is_left_out_and_named() -> None:
    hidden = taken(WANTED, ["models/a.dvc", "modelsx"], {"data": "dvc.yaml"})
    assert hidden == {
        "/models/": "git sees models/a.dvc",
        "/data/prepared/": "dvc.yaml has the output data",
    }
    added, *kept = ignoring(".gitignore", b"", WANTED, hidden)
    assert added.content == b"# ours\n/.reconciler/\n"
    assert [step.note.split(":")[0] for step in kept] == [
        "without /models/",
        "without /data/prepared/",
    ]


@pytest.mark.parametrize(
    ("pipeline", "found"),
    [
        ({"stages": {"a": {"outs": ["x", {"y/z": {"cache": False}}]}}}, {"ml/x", "ml/y/z"}),
        ({"stages": {"a": {"do": {"outs": ["m/${key}"], "metrics": ["r"]}}}}, {"ml/m", "ml/r"}),
        ({"stages": {"a": {"plots": "p.csv"}}, "plots": [{"q.csv": {}}]}, {"ml/p.csv", "ml/q.csv"}),
        ({"stages": [1], "plots": 3}, set()),
        ({"stages": {"a": None, "b": {"outs": [1, None]}}}, set()),
        ("text", set()),
        (None, set()),
    ],
)  # fmt: skip
def test_outputs_are_found_wherever_a_pipeline_names_them(pipeline: Any, found: set[str]) -> None:
    assert outputs(pipeline, "ml/dvc.yaml") == found
