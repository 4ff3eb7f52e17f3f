"""Rows in, predictions out; whatever else comes in is told what is wrong with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.bundle import encoding
from reconciler.errors import UsageError
from reconciler.serving.app import App
from reconciler.serving.fields import ROWS, Fields
from reconciler.serving.limits import Limits
from tests.serving.shops import FLOWER, STAY, Bench, open_bench, stay


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with open_bench() as made:
        yield made


def problems(bench: Bench, rows: Any, path: str = "/predict/stay") -> list[dict[str, Any]]:
    """Return the problems of rows that are refused."""
    answer = bench.post(path, json.dumps(rows))
    assert answer.status_code == 400, answer.text
    assert answer.json()["reason"] == "BadInput"
    found: list[dict[str, Any]] = answer.json()["problems"]
    return found


def test_one_row_gets_one_prediction_with_the_probability_of_each_class(bench: Bench) -> None:
    answer = bench.post("/predict/flower", json.dumps(FLOWER), {"x-request-id": "mine"})
    assert answer.json() == {
        "model": "flower",
        "version": "2",
        "id": "mine",
        "predictions": [
            {"prediction": "setosa", "probabilities": {"setosa": 0.75, "virginica": 0.25}}
        ],
    }
    assert answer.headers["x-model-version"] == "2"
    assert answer.headers["x-request-id"] == "mine"


@pytest.mark.parametrize("form", ["{row}", "[{row}, {row}]", '{{"rows": [{row}, {row}]}}'])
def test_rows_come_as_an_object_a_list_or_a_list_called_rows(bench: Bench, form: str) -> None:
    answer = bench.post("/predict/stay", form.format(row=json.dumps(STAY)))
    assert answer.json()["predictions"] == [{"prediction": 300.0}] * form.count("{row}")


def test_a_nullable_field_may_be_null_or_missing(bench: Bench) -> None:
    without = {name: value for name, value in STAY.items() if name != "age"}
    rows = [STAY, {**STAY, "age": None}, without]
    assert len(bench.post("/predict/stay", json.dumps(rows)).json()["predictions"]) == 3
    assert bench.post("/predict/stay", json.dumps(without)).status_code == 200


def test_a_value_that_the_contract_did_not_list_is_answered_as_any_unknown_one(
    bench: Bench,
) -> None:
    row = json.dumps({**STAY, "city": "Atlantis"})
    assert bench.post("/predict/stay", row).status_code == 200


def test_a_version_may_be_named(bench: Bench) -> None:
    row = json.dumps(FLOWER)
    assert bench.post("/predict/flower/versions/2", row).json()["version"] == "2"
    absent = bench.post("/predict/flower/versions/3", row)
    assert (absent.status_code, absent.json()["reason"]) == (404, "NoSuchVersion")


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "\x7f", "ü"])
def test_an_id_that_could_not_be_printed_is_replaced(bench: Bench, sent: str) -> None:
    headers = {"x-request-id": sent.encode("latin-1")}
    answer = bench.post("/predict/flower", json.dumps(FLOWER), headers)  # type: ignore[arg-type]
    assert answer.json()["id"] not in ("", sent)


def test_every_problem_of_a_row_is_told_at_once(bench: Bench) -> None:
    row = {"agee": 40, "nights": 2.5, "city": None, "member": "yes", "arrives": "soon"}
    found = problems(bench, [STAY, row])
    assert found == [
        {"row": 2, "field": "nights", "found": "2.5", "wanted": "a whole number below 2**53"},
        {
            "row": 2,
            "field": "city",
            "found": "null",
            "wanted": 'a text, such as "Oslo", "Rome", "the \\"Hague\\""',
        },
        {"row": 2, "field": "note", "found": "nothing", "wanted": "a text"},
        {"row": 2, "field": "member", "found": '"yes"', "wanted": "true or false"},
        {
            "row": 2,
            "field": "arrives",
            "found": '"soon"',
            "wanted": 'a time in ISO 8601, such as "2026-05-01T12:00:00"',
        },
        {"row": 2, "field": "agee", "found": "40", "wanted": "no such field; did you mean age?"},
    ]


def test_a_typo_in_a_nullable_field_is_not_taken_for_a_missing_one(bench: Bench) -> None:
    row = {**{name: value for name, value in STAY.items() if name != "age"}, "Age": 3}
    (problem,) = problems(bench, row)
    assert problem["wanted"] == "no such field; did you mean age?"


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("age", 1e39, "a number of at most 3.4e38, or null"),
        ("age", True, "a number, or null"),
        ("age", [1], "a number, or null"),
        ("nights", 2**60, "a whole number below 2**53"),
        ("note", {"a": 1}, "a text"),
        ("member", 2, "true or false"),
        ("arrives", "0001-01-01T00:00:00+14:00", "a time"),
        ("arrives", 5, "a time"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(
    bench: Bench, field: str, value: object, wanted: str
) -> None:
    (problem,) = problems(bench, {**STAY, field: value})
    assert problem["field"] == field
    assert problem["wanted"].startswith(wanted)


def test_of_many_bad_rows_the_first_ones_are_told(bench: Bench) -> None:
    rows = [STAY] * 700 + [{**STAY, "nights": "x"}, {**STAY, "age": "x"}] * 300
    assert [problem["row"] for problem in problems(bench, rows)] == list(range(701, 701 + ROWS))


def test_a_row_of_nothing_but_unknown_fields_is_told_of_in_bounds(bench: Bench) -> None:
    answer = bench.post("/predict/stay", json.dumps({f"f{n}" * 100: n for n in range(5000)}))
    assert answer.status_code == 400
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"null", "found null"),
        (b"3", "found a number"),
        (b'"x"', "found a text"),
        (b"[]", "the list of rows is empty"),
        (b'{"rows": []}', "the list of rows is empty"),
        (b'{"rows": [], "x": 1}', '"x" stands beside "rows"'),
        (b"[{}, 3]", "row 2 is a number"),
        (b'{"age": NaN}', "a missing value is null"),
        (b'{"age": -Infinity}', "a missing value is null"),
        (b'{"age": 1e999}', "number is infinity"),
        (b'{"age": 1' + b"0" * 400 + b"}", "number is infinity"),
        (b'{"age": 1, "age": 2}', '"age" is given twice'),
        (b'{"age": 1, "age" : 2, "x": 1}', '"age" is given twice'),
        (b'{"age": 1, "\\u0061ge" \n: 2}', '"age" is given twice'),
        (b'{"rows": [{"age":1,"age":2}]}', '"age" is given twice'),
        (b'{"age": "\xff"}', "UTF-8"),
        (b'\xef\xbb\xbf{"age": 1}', "BOM"),
        (b'{"age": "\\ud800"}', "surrogate"),
        (b"[" * 100_000, "depth"),
        (b'{"age": 1', "not JSON"),
        (b'{"age": 1} x', "unexpected content"),
    ],
)
def test_what_is_no_row_is_refused_with_a_sentence(bench: Bench, body: bytes, said: str) -> None:
    answer = bench.post("/predict/stay", body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert answer.json()["reason"] in ("BadJson", "BadInput")


@pytest.mark.parametrize("depth", [990, 1020])
def test_a_field_that_is_nested_deep_is_refused_like_any_list(bench: Bench, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    for body in (f'{{"age": {nested}}}', f'{{"a:": 1, "age": {nested}}}'):
        assert bench.post("/predict/stay", body).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        '{{"inputs": {{"a": {0}}}}}',
        '{{"inputs": [{{"name": {0}}}]}}',
        '{{"inputs": [{{"name": "a", "shape": [1], "datatype": {0}}}]}}',
        '{{"inputs": [{{"name": "age", "shape": [1], "datatype": "FP64", "data": {0}}}]}}',
    ],
)
def test_a_tensor_that_is_nested_deep_is_refused_as_well(bench: Bench, body: str) -> None:
    nested = "[" * 1000 + "]" * 1000
    assert bench.post("/v2/models/stay/infer", body.format(nested)).status_code == 400


def test_texts_with_colons_are_not_taken_for_fields_given_twice(bench: Bench) -> None:
    row = json.dumps({**STAY, "note": 'a": : "b":'})
    assert bench.post("/predict/stay", row).status_code == 200


def test_what_is_not_said_to_be_json_is_refused(bench: Bench) -> None:
    for media in ("text/csv", "application/x-www-form-urlencoded", "application/jsonx"):
        answer = bench.post("/predict/flower", json.dumps(FLOWER), {"content-type": media})
        assert (answer.status_code, answer.json()["reason"]) == (415, "NotJson")
    for media in ("application/json; charset=utf-8", "Application/JSON", "application/a+json"):
        answer = bench.post("/predict/flower", json.dumps(FLOWER), {"content-type": media})
        assert answer.status_code == 200


def test_more_than_a_request_may_have_is_refused() -> None:
    with open_bench(Limits(body=1000, rows=2)) as bench:
        many = bench.post("/predict/flower", json.dumps([FLOWER] * 3))
        assert (many.status_code, many.json()["reason"]) == (413, "TooManyRows")
        long = bench.post("/predict/flower", b" " * 1001)
        assert (long.status_code, long.json()["reason"]) == (413, "TooLarge")


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    sent: list[Any] = []

    async def never() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask(app: App) -> None:
        scope = {"type": "http", "path": "/predict/stay", "method": "POST", "headers": []}
        await app(scope, never, send)

    with open_bench(Limits(seconds=0.05)) as bench:
        asyncio.run(ask(bench.app))
    assert sent[0]["status"] == 408


def test_a_wrong_method_or_path_is_told_as_json(bench: Bench) -> None:
    for path in ("/predict/stay", "/predict/stay/versions/1"):
        wrong = bench.ask("GET", path)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        assert wrong.json()["reason"] == "MethodNotAllowed"
    for path in ("/nothing", "/predict", "/predict/a/b/c"):
        absent = bench.ask("GET", path)
        assert (absent.status_code, absent.json()["reason"]) == (404, "NoSuchPath")
    for path in ("/predict/nobody", "/predict/", "/predict/stay/versions/", "/predict/a/b"):
        assert bench.post(path, json.dumps(STAY)).status_code == 404


def test_what_a_client_sent_wrong_is_no_error_of_the_model() -> None:
    with open_bench() as bench:
        problems(bench, {})
        assert bench.ended == ["BadInput"]
        assert bench.tallies.of("stay", f"{1:032x}.dir").errors == 0


#: What JSON can hold, with what the types of `stay` are tempted by.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.datetimes().map(str),
    st.just("2024-05-01T10:00:00+02:00"),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)
TABLES = st.lists(
    st.dictionaries(st.sampled_from([*STAY, "Age", "x"]), VALUES).map(lambda row: {**STAY, **row})
    | st.dictionaries(st.sampled_from([*STAY, "Age", "x"]), VALUES),
    min_size=1,
    max_size=4,
)


@given(rows=TABLES)
def test_there_are_problems_just_where_the_encoding_refuses_or_a_field_is_unknown(
    rows: list[dict[str, Any]],
) -> None:
    fields, sign = Fields(stay()), stay()
    told = {problem.row for problem in fields.problems(rows)}
    for number, row in enumerate(rows, 1):
        try:
            encoding.encode(sign, {name: [row.get(name)] for name in STAY})
            wrong = not STAY.keys() >= row.keys()
        except UsageError:
            wrong = True
        assert (number in told) == wrong


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=TABLES)
def test_each_problem_names_a_field_that_is_sent_or_wanted(
    bench: Bench, rows: list[dict[str, Any]]
) -> None:
    answer = bench.post("/predict/stay", json.dumps(rows))
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert len(answer.json()["predictions"]) == len(rows)
        return
    for problem in answer.json()["problems"]:
        row = rows[problem["row"] - 1]
        assert problem["field"] in (row.keys() | STAY.keys())
        assert (problem["found"] == "nothing") == (problem["field"] not in row)


@given(body=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_makes_the_server_fail(bench: Bench, body: bytes) -> None:
    assert bench.post("/predict/stay", body).status_code == 400
