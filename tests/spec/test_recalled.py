"""A spec that is recalled says what it said when it was parsed, and is checked all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.spec import reading, yaml
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.params import Params
from reconciler.spec.reading import read_fleet, resolved, written

ROOT = Path(__file__).resolve().parents[2]
SPECS = {f"specs/{p.name}": p.read_bytes() for p in sorted((ROOT / "specs").glob("*.yaml"))}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.from_json((ROOT / "reconciler" / "spec" / "catalogue.json").read_text())


def test_recalled_specs_equal_parsed_ones_and_parse_no_yaml(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed, _ = read_fleet(SPECS, Params(), catalogue)
    known = {f"specs/{name}.yaml": written(spec) for name, spec in parsed.items()}
    monkeypatch.setattr(reading, "yaml", None)
    recalled, problems = read_fleet(SPECS, Params(), catalogue, None, known)
    assert problems == ()
    assert {n: resolved(s) for n, s in recalled.items()} == {
        n: resolved(s) for n, s in parsed.items()
    }


def test_a_recalled_spec_whose_data_is_gone_is_told_with_its_place(catalogue: Catalogue) -> None:
    text = SPECS["specs/wine.yaml"].replace(b"sklearn:wine", b"data/wine.csv")
    parsed, _ = read_fleet({"specs/wine.yaml": text}, Params(), catalogue)
    known = {"specs/wine.yaml": written(parsed["wine"])}
    modes = {"specs/wine.yaml": "100644"}
    read, problems = read_fleet({"specs/wine.yaml": text}, Params(), catalogue, modes, known)
    assert read == {}
    place = yaml.load(text, "specs/wine.yaml").position(("spec", "data", "source"))
    assert (problems[0].line, problems[0].column) == place
