"""`report`: how a version does, on the terminal and as one page that needs nothing else."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, spec

pytestmark = pytest.mark.slow

LABEL = "<script>alert('x')</script>"
COLUMN = 'a"><img src=http://evil.example/x> | `b` [c](javascript:d)'
OUT = "        - reports/${key}/report\n"


def table(rows: int = 300) -> str:
    quoted = '"' + COLUMN.replace('"', '""') + '"'
    body = (f"{i % 17},{i % 5},{LABEL if i % 17 > 8 - i % 3 else 'no'}\n" for i in range(rows))
    return f"{quoted},b,y\n{''.join(body)}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a repository with a released model, and one whose second version was rejected."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "repo").mkdir()
    (folder / "home").mkdir()
    project = Project(folder / "repo", folder / "home")
    project.git("init", "-q", "-b", "main")
    project.call("dvc", "init", "-q")
    for path in ("dvc.yaml", ".gitignore", ".dvcignore"):
        project.write(path, (ROOT / path).read_bytes())
    project.write("params.yaml", "apiVersion: reconciler/v1\ndefaults: {}\nmodels: {}\n")
    project.write("data/x.csv", table())
    tree = "sklearn.tree.DecisionTreeClassifier"
    rules = "[{metric: accuracy, min: 0.6}, {metric: recall, min: 0.1, slice: b, min_support: 5}]"
    project.write(
        "specs/hostile.yaml",
        spec("hostile", source="data/x.csv", target="y", estimator=tree, acceptance=rules),
    )
    project.write("specs/diabetes.yaml", spec("diabetes", hyperparameters={"alpha": 1.0}))
    project.reconciler("compile")
    project.commit("Declare both")
    project.reconciler("apply")
    project.edit("specs/diabetes.yaml", '"alpha": 1.0', '"alpha": 1000000.0')
    project.commit("Far too much shrinkage")
    project.reconciler("apply", check=False)
    return project


class Page(HTMLParser):
    """The tags of a page, and the words between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data: str) -> None:
        self.words += data


def page(project: Project, tmp_path: Path, *argv: str) -> Page:
    project.reconciler("report", *argv, "--html", str(tmp_path / "page.html"))
    return Page((tmp_path / "page.html").read_text())


def test_the_terminal_gets_metrics_verdict_and_importances_within_eighty_columns(
    made: Project,
) -> None:
    for model, words in (("hostile", "Confusion matrix"), ("diabetes", "Residuals")):
        said = made.reconciler("report", model).stdout
        assert words in said
        assert "95 % INTERVAL" in said
        assert "Permutation importance" in said
        assert "passed" in said
        assert max(map(len, said.splitlines())) <= 80
        (place,) = re.findall(r"\.reconciler/reports/\w+", said)
        assert list((made.root / place).glob("*.svg"))
        assert (made.root / place / "card.md").is_file()


def test_the_page_needs_nothing_else_and_runs_nothing(made: Project, tmp_path: Path) -> None:
    found = page(made, tmp_path, "hostile")
    assert "script" not in found.tags
    assert not {"img", "link", "iframe", "object", "a", "base", "form"} & set(found.tags)
    assert not {"src", "href", "xlink:href", "onerror", "onload"} & set(found.attributes)
    assert found.attributes["content"][0].startswith("default-src 'none'")
    assert found.tags.count("svg") == 5
    assert LABEL in found.words
    assert "url(" not in (tmp_path / "page.html").read_text()


def test_every_picture_on_the_page_has_a_name_a_description_and_a_table(
    made: Project, tmp_path: Path
) -> None:
    found = page(made, tmp_path, "hostile")
    named = [i for words in found.attributes["aria-labelledby"] for i in words.split()]
    assert len(named) == 10
    ids = found.attributes["id"]
    assert sorted(named) == sorted(i for i in ids if i.endswith(("-title", "-desc")))
    assert len(ids) == len(set(ids))
    assert found.tags.count("figure") == found.tags.count("details") == 5


def test_equal_reports_are_equal_pages(made: Project, tmp_path: Path) -> None:
    page(made, tmp_path, "hostile")
    first = (tmp_path / "page.html").read_bytes()
    page(made, tmp_path, "hostile")
    assert (tmp_path / "page.html").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_rejected_version_has_a_report_too(made: Project, tmp_path: Path) -> None:
    said = made.reconciler("report", "diabetes", "--version", "2").stdout
    assert "version 2: rejected" in said
    assert "failed" in said
    assert page(made, tmp_path, "diabetes", "--version", "2").tags.count("svg") == 4
    assert "version 1: released" in made.reconciler("report", "diabetes").stdout


def test_programs_get_the_same_facts(made: Project) -> None:
    plain = json.loads(made.reconciler("report", "hostile", "--output", "json").stdout)
    assert plain["verdict"]["outcome"] == "passed"
    first = plain["metrics"][0]
    assert first["metric"] == "accuracy"
    assert first["low"] < first["value"] < first["high"]
    names = [picture["name"] for picture in plain["pictures"]]
    assert names == ["confusion", "roc", "calibration", "learning", "importance"]


@pytest.mark.parametrize(
    "argv", [("nobody",), ("hostile", "--version", "9"), ("hostile", "--html", "no/such/x.html")]
)
def test_what_is_not_there_is_a_usage_error_with_what_there_is(
    made: Project, argv: tuple[str, ...]
) -> None:
    done = made.reconciler("report", *argv, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_pipeline_that_tracks_no_report_works_and_the_report_says_what_is_missing(
    made: Project, tmp_path: Path
) -> None:
    shutil.copytree(made.root, tmp_path / "repo", symlinks=True)
    shutil.rmtree(tmp_path / "repo" / ".reconciler")
    old = Project(tmp_path / "repo", made.root.parent / "home")
    old.edit("dvc.yaml", OUT, "")
    old.write("specs/diabetes.yaml", spec("diabetes", hyperparameters={"alpha": 0.5}))
    old.commit("A pipeline from before")
    old.reconciler("apply", "diabetes")
    before = old.champion("diabetes")
    assert before["number"] == 3
    assert "report" not in before
    said = old.reconciler("report", "diabetes").stdout
    assert "reports/${key}/report" in said
    assert "95 % INTERVAL" in said
    old.write("dvc.yaml", (ROOT / "dvc.yaml").read_bytes())
    old.commit("Track the report")
    old.reconciler("apply", "diabetes")
    after = old.champion("diabetes")
    assert (after["number"], after["bundle"]) == (3, before["bundle"])
    assert "Permutation importance" in old.reconciler("report", "diabetes").stdout
