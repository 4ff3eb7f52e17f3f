"""Reading: every way in which a table may be written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reconciler.errors import ReconcilerError, SpecError, TerminalError
from reconciler.pipeline.reading import DATASETS, Table, read
from reconciler.spec.model import DataSpec

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def table(root: Path, source: str, **data: Any) -> Table:
    return read(root, DataSpec.model_validate({"source": source, "target": "y", **data}))


def rows(root: Path, content: str | bytes, source: str = "t.csv", **data: Any) -> list[Any]:
    (root / source).write_bytes(content if isinstance(content, bytes) else content.encode())
    return table(root, source, **data).frame.rows()


def failure(root: Path, content: str | bytes, source: str = "t.csv", **data: Any) -> Any:
    with pytest.raises(ReconcilerError) as caught:
        rows(root, content, source, **data)
    return caught.value


def test_a_csv_is_texts_as_they_stand_there(tmp_path: Path) -> None:
    found = rows(tmp_path, 'a,b\n1, x\n007,"p, ""q"""\n,\'\n')
    assert found == [("1", " x"), ("007", 'p, "q"'), ("", "'")]
    assert table(tmp_path, "t.csv").frame.columns == ["a", "b"]
    assert not table(tmp_path, "t.csv").typed


def test_a_tsv_is_separated_by_tabs_and_a_separator_may_be_chosen(tmp_path: Path) -> None:
    assert rows(tmp_path, "a\tb\n1,5\t2\n", "t.tsv") == [("1,5", "2")]
    assert rows(tmp_path, "a;b\n1,5;2\n", reader={"separator": ";"}) == [("1,5", "2")]


def test_a_table_without_a_header_has_numbered_or_given_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    numbered = table(tmp_path, "t.csv", reader={"header": False})
    named = table(tmp_path, "t.csv", reader={"header": False, "names": ["p", "q"]})
    assert numbered.frame.columns == ["column_1", "column_2"]
    assert named.frame.columns == ["p", "q"]
    assert named.frame.height == 2
    error = failure(tmp_path, "1,2\n", reader={"header": False, "names": ["p"]})
    assert (type(error), error.reason) == (SpecError, "WrongNames")
    assert "1 names for the 2 columns" in error.message


def test_quotes_can_be_others_or_ordinary_characters(tmp_path: Path) -> None:
    assert rows(tmp_path, "a,b\n'x,y',2\n", reader={"quote": "'"}) == [("x,y", "2")]
    assert rows(tmp_path, 'a,b\n"x,2\n', reader={"quote": None}) == [('"x', "2")]


def test_quotes_that_are_not_balanced_say_how_to_take_them_as_characters(tmp_path: Path) -> None:
    error = failure(tmp_path, 'a,b\n"x,2\n3,4\n')
    assert error.reason == "DataUnreadable"
    assert "data.reader.quote: null" in error.hint


def test_encodings_are_decoded(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16", "utf-8-sig", "cp1252"):
        found = rows(tmp_path, "a,b\nü,é\n".encode(encoding), reader={"encoding": encoding})
        assert found == [("ü", "é")]
    assert rows(tmp_path, "\ufeffa,b\n1,2\n") == [("1", "2")]
    assert table(tmp_path, "t.csv").frame.columns == ["a", "b"]


def test_a_wrong_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    error = failure(tmp_path, "a,b\n1,2\n3,ü\n".encode("latin-1"))
    assert error.message == "t.csv, line 3: not utf-8 (byte 0xfc)"
    unknown = failure(tmp_path, "a\n1\n", reader={"encoding": "klingon"})
    assert (type(unknown), unknown.reason) == (SpecError, "UnknownEncoding")


def test_blank_lines_are_no_rows_and_windows_lines_are_lines(tmp_path: Path) -> None:
    assert rows(tmp_path, "a,b\r\n1,2\r\n\r\n3,4\r\n\r\n") == [("1", "2"), ("3", "4")]


def test_names_are_read_as_they_are_and_must_differ(tmp_path: Path) -> None:
    rows(tmp_path, "Total (Rs.), b\n1,2\n")
    assert table(tmp_path, "t.csv").frame.columns == ["Total (Rs.)", "b"]
    assert "several columns are called a" in failure(tmp_path, "a,a\n1,2\n").message
    assert "column 2 has no name" in failure(tmp_path, "a,\n1,2\n").message


def test_a_row_with_too_many_fields_is_refused(tmp_path: Path) -> None:
    assert failure(tmp_path, "a,b\n1,2\n1,2,3\n").reason == "DataUnreadable"


def test_rows_with_too_few_fields_are_not_taken_for_missing_values(tmp_path: Path) -> None:
    error = failure(tmp_path, 'a,b\n"1\n1",2\n3\n5,\n7\n')
    assert (type(error), error.reason) == (TerminalError, "DataUnreadable")
    assert error.message == "t.csv: 2 rows too short; line 4 has 1 of 2 fields"
    unquoted = failure(tmp_path, 'a,b\n"1,2\n"3\n', reader={"quote": None})
    assert unquoted.message == "t.csv: 1 row too short; line 3 has 1 of 2 fields"
    assert rows(tmp_path, "a,b\n1,\n\n2,\n") == [("1", ""), ("2", "")]


@pytest.mark.parametrize(
    "reader", [{"separator": "§"}, {"separator": "\n"}, {"quote": "«"}, {"separator": '"'}]
)
def test_marks_that_no_table_can_have_are_refused(tmp_path: Path, reader: dict[str, str]) -> None:
    error = failure(tmp_path, "a,b\n1,2\n", reader=reader)
    assert (type(error), error.reason) == (SpecError, "WrongReader")


@pytest.mark.parametrize("encoding", ["klingon", "base64"])
def test_an_encoding_that_is_none_of_texts_is_refused(tmp_path: Path, encoding: str) -> None:
    error = failure(tmp_path, "a,b\n1,2\n", reader={"encoding": encoding})
    assert (type(error), error.reason) == (SpecError, "UnknownEncoding")


@pytest.mark.parametrize("content", ["", "a,b\n"])
def test_a_table_without_rows_is_empty(tmp_path: Path, content: str) -> None:
    error = failure(tmp_path, content)
    assert (type(error), error.reason) == (TerminalError, "DataEmpty")


def test_packed_files_and_folders_of_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "2.csv").write_text("a,b\n3,4\n")
    (tmp_path / "d" / "1.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert table(tmp_path, "d", format="csv").frame.rows() == [("1", "2"), ("3", "4")]
    assert table(tmp_path, "d/1.csv.gz").frame.rows() == [("1", "2")]
    (tmp_path / "d" / "3.csv").write_text("a,c\n3,4\n")
    with pytest.raises(TerminalError, match="do not have the same columns"):
        table(tmp_path, "d", format="csv")


def test_parquet_and_json_lines_keep_their_types(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": [1.5, None], "i": [1, 2], "s": ["1", None], "b": [True, False]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ndjson(tmp_path / "t.jsonl")
    for source in ("t.parquet", "t.jsonl"):
        found = table(tmp_path, source)
        assert found.typed
        assert found.frame.equals(frame)


def test_a_field_that_only_late_lines_have_is_read(tmp_path: Path) -> None:
    lines = '{"a": 1}\n' * 500 + '{"a": 2, "b": "late"}\n'
    assert rows(tmp_path, lines, "t.jsonl")[-1] == (2, "late")


@pytest.mark.parametrize("source", ["t.parquet", "t.jsonl"])
def test_what_is_not_of_its_format_is_unreadable(tmp_path: Path, source: str) -> None:
    assert failure(tmp_path, "not a table\n", source).reason == "DataUnreadable"


def test_a_format_is_known_by_its_ending_or_stated(tmp_path: Path) -> None:
    assert failure(tmp_path, "a,b\n1,2\n", "t.dat").reason == "UnknownFormat"
    assert rows(tmp_path, "a,b\n1,2\n", "t.dat", format="csv") == [("1", "2")]


def test_a_missing_file_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=r"data/none\.csv is not there") as caught:
        table(tmp_path, "data/none.csv")
    assert caught.value.reason == "DataMissing"
    assert "dvc" in caught.value.hint


def test_file_names_are_no_patterns(tmp_path: Path) -> None:
    assert rows(tmp_path, "a,b\n1,2\n", "t[1]*.csv") == [("1", "2")]


def test_bundled_datasets_have_names_for_features_and_labels(tmp_path: Path) -> None:
    frames = {name: table(tmp_path, f"sklearn:{name}").frame for name in DATASETS}
    assert set(frames["breast_cancer"]["target"]) == {"malignant", "benign"}
    assert frames["breast_cancer"].columns[0] == "mean radius"
    assert frames["digits"]["target"].dtype == pl.Int64
    assert frames["diabetes"]["target"].dtype == pl.Float64
    assert frames["iris"].shape == (150, 5)
    assert {"Weight", "Chins"} <= set(frames["linnerud"].columns)
    assert table(tmp_path, "sklearn:breast-cancer").frame.equals(frames["breast_cancer"])


def test_datasets_that_would_be_downloaded_are_unknown(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not a dataset that comes") as caught:
        table(tmp_path, "sklearn:california_housing")
    assert "wine" in caught.value.hint


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent")
def test_texts_with_quotes_that_are_not_balanced_are_read_whole() -> None:
    reader = {"header": False, "quote": None, "names": ["label", "text"]}
    found = table(SHARED, "sms_spam.tsv", reader=reader).frame
    assert found.shape == (5574, 2)
    assert set(found["label"]) == {"ham", "spam"}
