from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.spec.annotations import as_json, github, text
from reconciler.spec.metrics import METRICS
from reconciler.spec.model import ModelSpec
from reconciler.spec.problems import Problem
from reconciler.spec.schema import json_schema

ROOT = Path(__file__).resolve().parents[2]
WRONG = Problem("specs/a.yaml", 3, 5, "spec.data.target", "found 1, wanted a text", "quote it")
MILD = Problem("specs/a.yaml", 9, 1, "", "100% odd", severity="warning")


def test_text_is_one_line_per_problem() -> None:
    assert text([WRONG, MILD]) == (
        "specs/a.yaml:3:5: spec.data.target: found 1, wanted a text (quote it)\n"
        "specs/a.yaml:9:1: warning: 100% odd\n"
    )


def test_json_states_the_same_facts() -> None:
    found = json.loads(as_json([WRONG, MILD]))
    assert [Problem(**one) for one in found] == [WRONG, MILD]
    assert as_json([]) == "[]\n"


def test_github_shows_problems_beside_their_lines() -> None:
    assert github([WRONG, MILD]) == (
        "::error file=specs/a.yaml,line=3,col=5,title=spec.data.target::"
        "found 1, wanted a text (quote it)\n"
        "::warning file=specs/a.yaml,line=9,col=1,title=specs/a.yaml::100%25 odd\n"
    )


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_problem_writes_a_second_line_or_command(path: str, key: str, message: str) -> None:
    problem = Problem(path, 1, 1, key, message)
    for written in (github([problem]), text([problem])):
        assert written.endswith("\n")
        assert not {"\n", "\r"} & set(written[:-1])
    assert github([problem]).count("::error ") >= 1


def test_the_committed_schema_is_current() -> None:
    written = json.loads((ROOT / "schema" / "model.schema.json").read_text(encoding="utf-8"))
    hint = "run `python -m reconciler.spec.schema > schema/model.schema.json`"
    assert written == json_schema(), hint


def test_the_schema_explains_every_part_and_offers_every_metric() -> None:
    parts = json_schema()["$defs"]
    assert all("description" in part for part in parts.values())
    assert parts["Split"]["properties"]["test"]["description"].startswith("Share of the rows")
    assert parts["Rule"]["properties"]["metric"]["anyOf"][0]["enum"] == sorted(METRICS)
    assert parts["Split"]["properties"]["key"]["anyOf"][1]["type"] == "string"
    assert set(json_schema()["properties"]) == {
        field.alias or name for name, field in ModelSpec.model_fields.items()
    }
