"""The document says what is served now, and every path keeps to it; the page is of one piece."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from reconciler.bundle.golden import Examples
from reconciler.serving import schemas
from reconciler.serving.app import routes
from tests.serving.fuzzing import fuzz
from tests.serving.shops import EXAMPLES, STAY, Bench, open_bench, stay

PAGES = resources.files("reconciler.serving") / "pages"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as made:
        yield made


def document(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.ask("GET", "/openapi.json").json()
    return found


def test_each_model_has_a_path_with_the_schema_of_its_rows(bench: Bench) -> None:
    found = document(bench)
    row = found["components"]["schemas"]["row.stay"]
    assert row["required"] == ["nights", "city", "note", "member", "arrives"]
    assert row["examples"] == [STAY]
    assert row["properties"]["age"]["anyOf"][1] == {"type": "null"}
    assert row["properties"]["city"]["anyOf"][0] == {"enum": ["Oslo", "Rome", 'the "Hague"']}
    answer = found["components"]["schemas"]["answer.flower"]["properties"]["predictions"]
    assert answer["items"]["properties"]["prediction"] == {"enum": ["setosa", "virginica"]}
    assert {"/predict/stay", "/predict/flower/versions/{version}"} <= found["paths"].keys()


def test_it_changes_with_what_is_served_and_is_not_made_again_before(bench: Bench) -> None:
    first = bench.ask("GET", "/openapi.json").content
    assert bench.ask("GET", "/openapi.json").content == first
    bench.serve(flower=3)
    found = document(bench)
    assert "/predict/stay" not in found["paths"]
    (version, _) = found["paths"]["/predict/flower/versions/{version}"]["post"]["parameters"]
    assert version["schema"] == {"enum": ["3"]}


def test_every_path_of_the_server_is_in_it(bench: Bench) -> None:
    served = {route.path for route in routes(bench.shop)}
    inner = {"/predict/{model}", "/predict/{model}/versions/{version}"}
    files = {"/", *(path for path in served if path.startswith("/docs/"))}
    assert served - inner - files <= document(bench)["paths"].keys()


def test_it_is_there_when_nothing_is_served(bench: Bench) -> None:
    bench.serve()
    assert "/v2" in document(bench)["paths"]


def test_the_examples_are_answered_as_they_stand(bench: Bench) -> None:
    paths = document(bench)["paths"]
    for path in ("/predict/stay", "/predict/flower", "/v2/models/{model}/infer"):
        example = paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]
        answer = bench.post(path.replace("{model}", "flower"), json.dumps(example))
        assert answer.status_code == 200


def test_an_example_is_made_up_where_the_bundle_has_none_and_shows_short_numbers() -> None:
    made_up = schemas.example(stay(), Examples((), (), None))
    assert Draft202012Validator(schemas.row(stay(), EXAMPLES["stay"])).is_valid(made_up)
    golden = Examples(({**STAY, "age": 19.690000534057617},), (300.0,), None)
    assert schemas.example(stay(), golden)["age"] == 19.69


@pytest.mark.parametrize(
    ("field", "value", "good"),
    [
        ("age", None, True),
        ("age", 1e39, False),
        ("age", "1", False),
        ("nights", 3.0, True),
        ("nights", 3.5, False),
        ("nights", 2**53 - 1, True),
        ("nights", 2**53, False),
        ("nights", -(2**53) - 1, False),
        ("city", "Atlantis", True),
        ("city", 3, True),
        ("city", 3.0, True),
        ("city", 3.5, False),
        ("city", 2**64 - 1, True),
        ("city", 2**64, False),
        ("city", -(2**63) - 1, False),
        ("arrives", "0001-01-01T00:00:00+01:00", False),
        ("city", None, False),
        ("member", 1, True),
        ("member", "true", False),
        ("note", 3, False),
        ("other", 3, False),
    ],
)
def test_the_schema_and_the_server_agree(
    bench: Bench, field: str, value: object, good: bool
) -> None:
    row = {**STAY, field: value}
    schema = Draft202012Validator(document(bench)["components"]["schemas"]["row.stay"])
    assert schema.is_valid(row) == good
    assert (bench.post("/predict/stay", json.dumps(row)).status_code == 200) == good


def test_a_method_that_no_path_lists_is_refused_with_those_that_are(bench: Bench) -> None:
    for path, item in document(bench)["paths"].items():
        plain = path.replace("{model}", "stay").replace("{version}", "1")
        wrong = "GET" if "get" not in item else "DELETE"
        answer = bench.ask(wrong, plain)
        assert answer.status_code == 405, path
        allowed = {method.strip().lower() for method in answer.headers["allow"].split(",")}
        assert item.keys() <= allowed, path
        assert answer.headers["allow"] in answer.json()["error"], path


def test_the_page_and_its_files_ask_for_nothing_from_elsewhere(bench: Bench) -> None:
    page = bench.ask("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    for name in linked:
        assert bench.ask("GET", f"/{name}").status_code == 200
    for name in ("docs.html", "docs.css", "docs.js"):
        lines = (PAGES / name).read_text().splitlines()
        assert not [line for line in lines if "//" in line and not line.startswith("// ")]


def test_the_bare_address_leads_to_the_page(bench: Bench) -> None:
    answer = bench.ask("GET", "/")
    assert (answer.status_code, answer.headers["location"]) == (307, "docs")


def test_the_page_makes_no_markup_of_what_it_is_told() -> None:
    script = (PAGES / "docs.js").read_text()
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "srcdoc"):
        assert way not in script


@pytest.mark.slow
def test_every_path_answers_as_the_document_says(bench: Bench) -> None:
    statuses = fuzz(bench.app, 5)
    assert statuses["POST /predict/stay"].keys() == {200, 400}
    assert len(statuses) > 15
