"""Drafts of odd tables: what is found is told apart, and what cannot be used is said."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reconciler.adapters import catalogue
from reconciler.errors import ReconcilerError, TerminalError, UsageError
from reconciler.pipeline.drafting import sampling
from reconciler.pipeline.drafting.draft import Draft, draft
from reconciler.pipeline.drafting.thresholds import proposals
from reconciler.pipeline.drafting.writing import text
from reconciler.spec import yaml
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params
from reconciler.spec.reading import read_spec

CATALOGUE = catalogue.load(Path(__file__).parent)
ROWS = 240


def table(names: Sequence[str], row: Callable[[int], Sequence[object]], rows: int = ROWS) -> str:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(names)
    lines.writerows(row(i) for i in range(rows))
    return out.getvalue()


def noise(i: int, *salt: int) -> float:
    return round(random.Random(f"{i} {salt}").gauss(0, 1), 3)


def drafted(root: Path, content: str | bytes, name: str = "t.csv", **options: Any) -> Draft:
    raw = content if isinstance(content, bytes) else content.encode()
    (root / name).write_bytes(raw)
    return draft("m", root, name, options.get("target"), options.get("ask"))


def spec(found: Draft) -> ModelSpec:
    """Return the spec that is written, which must be valid and mean what was drafted."""
    written = text(found)
    read = read_spec(written.encode(), "specs/m.yaml", Params(), CATALOGUE)
    assert read.spec is not None, read.problems
    plain = yaml.load(written, "specs/m.yaml").data["spec"]["data"]
    for key, value in found.data.items():
        if key not in ("columns", "split", "ignore"):
            assert plain[key] == value
    return read.spec


def plain(rows: int = ROWS) -> str:
    return table(("a", "b", "y"), lambda i: (noise(i), i % 5, noise(i) * 2 + i % 5), rows)


@pytest.mark.parametrize(
    "name",
    ["on", "1e3", "yes", "a: b", "- x", '"q"', "it's", "#c", "{x}", "null", "a,b", "\u202e",
     "é\tt", ".inf", "~", "2024-01-01", "y: [", "?", "back\\slash", "x" * 300],
)  # fmt: skip
def test_any_name_of_a_column_reads_back_as_itself(tmp_path: Path, name: str) -> None:
    found = drafted(tmp_path, table((name, "label"), lambda i: (noise(i), i % 2)))
    assert list(spec(found).spec.data.columns) == [name]


def test_names_of_targets_ids_and_leaks_are_quoted_too(tmp_path: Path) -> None:
    found = drafted(
        tmp_path,
        table(("key: id", "on", "true"), lambda i: (f"k{i}", noise(i), i % 2)),
        target="true",
    )
    body = spec(found).spec.data
    assert (body.target, body.ignore) == ("true", ("key: id",))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_how_a_text_is_written_is_found(tmp_path: Path, encoding: str, separator: str) -> None:
    rows = (
        f"{noise(i)}{separator}{'Köln' if i % 2 else 'Zürich'}{separator}{i % 5}" for i in range(99)
    )
    content = "\n".join([f"größe{separator}stadt{separator}price", *rows])
    found = drafted(tmp_path, content.encode(encoding))
    assert list(found.facts) == ["größe", "stadt", "price"]
    assert spec(found).spec.data.reader.separator == (None if separator == "," else separator)


def test_a_first_line_of_data_is_no_header(tmp_path: Path) -> None:
    found = drafted(tmp_path, plain().partition("\n")[2], target="column_3")
    assert found.data["reader"] == {"header": False}
    assert found.rows == ROWS


@pytest.mark.parametrize("names", [("2019", "2020", "2021", "y"), ("on", "kind", "b", "y")])
def test_a_header_of_numbers_or_of_words_that_are_values_too_is_one(
    tmp_path: Path, names: Sequence[str]
) -> None:
    words = names[0] == "on"
    row = (lambda i: (["on", "off"][i % 2], "ab"[i % 2], "cd"[i % 2], noise(i))) if words else (
        lambda i: (noise(i, 1), noise(i, 2), noise(i, 3), noise(i, 4))
    )  # fmt: skip
    wide = table([*names, "c"], lambda i: [*row(i), noise(i, 5)])
    assert "reader" not in drafted(tmp_path, wide, target="y").data


def test_unbalanced_quotes_are_letters_and_balanced_ones_are_not(tmp_path: Path) -> None:
    loose = "\n".join(
        f'{"ham" if i % 2 else "spam"}\the said {i} "words of a kind' for i in range(60)
    )
    assert drafted(tmp_path, loose, "t.tsv").data["reader"]["quote"] is None
    kept = table(("t", "y"), lambda i: (f'line "one"\nand, {i} two', noise(i)))
    assert "reader" not in drafted(tmp_path, kept).data


def test_spellings_of_null_are_declared_per_column_or_once_for_all(tmp_path: Path) -> None:
    one = table(("a", "b", "y"), lambda i: (" " if i % 9 == 0 else i % 50, "n/a?"[i % 4], i % 2))
    found = drafted(tmp_path, one, target="y")
    assert found.data["columns"]["a"] == {"type": "integer", "nulls": [" "]}
    assert found.data["columns"]["b"] == {"nulls": ["?"]}
    both = table(
        ("a", "b", "y"),
        lambda i: ("NA" if i % 9 == 0 else i % 50, "NA" if i % 7 else 3.5, noise(i)),
    )
    found = drafted(tmp_path, both)
    assert found.data["reader"]["nulls"] == ["", "NA"]
    assert "columns" not in found.data


def test_numbers_with_many_odd_words_become_categories(tmp_path: Path) -> None:
    row = lambda i: (f"word {i}" if i % 30 == 0 else i % 9 / 7, noise(i), i % 2)  # noqa: E731
    content = table(("a", "b", "y"), row)
    assert drafted(tmp_path, content).data["columns"]["a"] == {"type": "category"}


def test_ids_constants_empties_and_leaks_are_left_out_with_the_reason(tmp_path: Path) -> None:
    names = ("nr", "user_id", "void", "same", "twice", "a", "y")
    found = drafted(
        tmp_path,
        table(names, lambda i: (i, f"u{i % 40}", "", 3, noise(i) * 2, i % 4, noise(i))),
    )
    assert set(found.ignored) == {"nr", "user_id", "void", "same", "twice"}
    assert "away" in found.ignored["twice"]
    assert "split: {method: group, column: user_id" in text(found)
    assert spec(found).spec.data.ignore == tuple(found.ignored)


def test_rows_that_hardly_differ_are_told_apart_by_their_id(tmp_path: Path) -> None:
    content = table(("an_id", "b", "y"), lambda i: (10**9 + 77 * i, i % 2, i % 2 + i % 3), 200)
    found = drafted(tmp_path, content)
    assert spec(found).spec.data.split.key == ("an_id",)
    assert "told apart by the key" in text(found)


def test_a_time_is_suggested_as_a_split_and_not_taken(tmp_path: Path) -> None:
    content = table(
        ("when", "a", "y"), lambda i: (f"2024-{1 + i // 28:02}-{1 + i % 28:02}", i % 7, noise(i))
    )
    found = drafted(tmp_path, content)
    assert "# split: {method: time, column: when" in text(found)
    assert "in its order" in text(found)
    assert spec(found).spec.data.split.method == "random"


def test_classes_are_stratified_and_the_rarer_or_the_named_one_is_positive(tmp_path: Path) -> None:
    rare = drafted(tmp_path, table(("a", "y"), lambda i: (noise(i), "x" if i % 3 else "w")))
    assert (rare.data["positive"], rare.data["split"]) == ("w", {"method": "stratified"})
    named = drafted(tmp_path, table(("a", "y"), lambda i: (noise(i), "yes" if i % 3 else "no")))
    assert named.data["positive"] == "yes"


def test_rows_without_an_answer_are_declared(tmp_path: Path) -> None:
    found = drafted(
        tmp_path, table(("a", "y"), lambda i: (noise(i), "" if i == 3 else noise(i, 2)))
    )
    assert found.data["columns"] == {"y": {"nullable": True}}
    assert "rows without an answer are left out" in text(found)


def test_a_target_is_taken_by_name_asked_for_or_refused(tmp_path: Path) -> None:
    content = table(("a", "b", "c"), lambda i: (noise(i), i % 4, noise(i, 2)))
    with pytest.raises(UsageError, match="cannot be told") as refused:
        drafted(tmp_path, content)
    assert "--target COLUMN, one of a, b, c" in refused.value.hint
    assert drafted(tmp_path, content, ask=lambda names, likely: likely).target.name == "c"
    with pytest.raises(UsageError, match="no column 'd'"):
        drafted(tmp_path, content, target="d")
    twice = table(("label", "target", "a"), lambda i: (noise(i), noise(i, 2), i))
    with pytest.raises(UsageError, match="cannot be told"):
        drafted(tmp_path, twice)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("a,b,y\n", "no rows"),
        ("y\n" + "1\n2\n" * 30, "one column"),
        ("a,b,y\n1,2,3\n", "1 row: too few"),
        ("a,a,y\n" + "1,2,3\n4,5,6\n" * 30, "several columns are called a"),
        (",a,y\n" + "1,2,3\n4,5,6\n" * 30, "has no name"),
        ("a,b,y\n" + ",,1\n,,2\n" * 30, "no column is left"),
        ("a,b,y\n" + "1,2,3\n4,5\n" * 30, "too short"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(ReconcilerError, match=words):
        drafted(tmp_path, content)


def test_typed_sources_are_read_in_their_types(tmp_path: Path) -> None:
    pl.DataFrame(
        {
            "flag": [i % 3 == 0 for i in range(ROWS)],
            "list": [[1, 2]] * ROWS,
            "huge": [1e300 * (i % 7) for i in range(ROWS)],
            "large": [1e40 * (i % 7) for i in range(ROWS)],
            "label": [i % 2 for i in range(ROWS)],
        }
    ).write_parquet(tmp_path / "t.parquet")
    found = draft("m", tmp_path, "t.parquet", None, None)
    assert set(found.ignored) == {"list", "huge"}
    assert found.data["precision"] == "float64"
    assert spec(found).spec.data.columns["flag"].type == "boolean"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_large_table_is_looked_at_in_all_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(sampling, "BYTES", 64_000)
    monkeypatch.setattr(sampling, "CELLS", 12_000)
    rows = range(30_000)
    frame = pl.DataFrame(
        {
            "part": [f"p{i // 3000}" for i in rows],
            "a": [noise(i) for i in rows],
            "y": [noise(-i) for i in rows],
        }
    )
    match form:
        case "csv":
            frame.write_csv(tmp_path / "t.csv")
        case "jsonl":
            frame.write_ndjson(tmp_path / "t.jsonl")
        case _:
            frame.write_parquet(tmp_path / "t.parquet")
    found = draft("m", tmp_path, f"t.{form}", None, None)
    assert found.rows < 6_000
    assert found.total is not None
    assert 27_000 < found.total < 33_000
    assert found.facts["part"].values.n_unique() == 10
    assert "of which" in text(found)
    assert "columns" not in yaml.load(text(found), "m").data["spec"]["data"]


def test_of_a_packed_table_the_beginning_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BYTES", 64_000)
    content = table(("a", "y"), lambda i: (noise(i), noise(-i)), 30_000).encode()
    found = drafted(tmp_path, gzip.compress(content), "t.csv.gz")
    assert found.rows < 6_000
    assert found.total is not None
    assert 20_000 < found.total < 40_000


def test_a_draft_of_a_wide_table_lists_only_what_must_be_said(tmp_path: Path) -> None:
    names = [*(f"c{i}" for i in range(300)), "y"]
    found = drafted(tmp_path, table(names, lambda i: [noise(i, n) for n in range(301)], 60))
    assert "300 more columns: their types are inferred" in text(found)
    assert spec(found).spec.data.columns == {}


def test_thresholds_hold_for_what_was_reached_and_lie_above_guessing(tmp_path: Path) -> None:
    found = drafted(tmp_path, plain(800))
    reached = found.baselines
    least, most = (one.rule for one in proposals(reached))
    assert reached.value("guessing", "r2") < least["min"] <= reached.value(reached.chosen, "r2")
    assert reached.value(reached.chosen, "mae") <= most["max"] < reached.value("guessing", "mae")


def test_a_table_that_says_nothing_about_its_target_is_called_so(tmp_path: Path) -> None:
    found = drafted(tmp_path, table(("a", "y"), lambda i: (noise(i, 1), noise(i, 2))))
    assert "hardly better than guessing" in text(found)
    [least, _] = proposals(found.baselines)
    assert least.rule["min"] <= found.baselines.value("linear", "r2")


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="is not there"):
        draft("m", tmp_path, "nowhere.csv", None, None)
