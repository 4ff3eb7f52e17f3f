"""The comment on a pull request: whatever anyone wrote, it shows as text, and all of it fits."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.cli.escaping import code
from reconciler.cli.plan_markdown import LIMIT, MARKER, comment, failed
from reconciler.core.changes import Change
from reconciler.core.outlook import Kind, Outlook, Result, Row, Stage
from reconciler.errors import SpecError
from reconciler.spec.problems import Problem

HOSTILE = (
    "a|b",
    "a\\|b",
    "`x` ``y`` ```z",
    "</code></details><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- reconciler-plan -->",
    "-->",
    "@octocat and @org/team",
    "closes #1, GH-2, owner/repo#3, !4, ~label",
    "[click](https://evil.example) ![pic](https://evil.example/x.png)",
    "https://evil.example www.evil.example WWW.evil.example mail@evil.example",
    "line\n\n# heading\n\n| a | b |\n|---|---|\n| c | d |\n",
    "\r\n***\r\n> quote\r\n- item",
    "**bold** __bold__ ~~struck~~ :smile: $x$ {+added+}",
    "&lt;b&gt; &amp; &#60;i&#62;",
    "\u202eright to left\u202c \u200b\x00\x1b[31m\ud800",
    "naïve Ünïcode 漢字 😀",
)
#: What our own text is made of; none of it has an attribute.
TAGS = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "br", "strong"}
TAGS |= {"details", "summary", "sub", "ul", "li", "blockquote"}


class Seen(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[Any] = []
        self.codes: list[str] = []
        self.outside = ""
        self.cells = [0]
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self._depth += tag == "code"
        if tag == "code":
            self.codes.append("")
        if tag == "tr":
            self.cells.append(0)
        self.cells[-1] += tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "code"

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.codes[-1] += data
        else:
            self.outside += data


def seen(text: str) -> Seen:
    """Return what is seen of Markdown, rendered as GitHub does: with HTML and tables."""
    parser = Seen()
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    parser.feed(html)
    parser.close()
    return parser


def outlook(*rows: Row, **more: Any) -> Outlook:
    given: dict[str, Any] = {
        "revision": "a" * 40,
        "rev": "HEAD",
        "rows": rows,
        "version": "0",
        "deployed": None,
        "runtime": {},
        "base": "b" * 40,
    }
    return Outlook(**{**given, **more})


def row(text: str, changes: int = 1) -> Row:
    """Return a row that says `text` wherever it can."""
    evidence = {"metric": text, "outcome": "passed", "message": text, "threshold": {text: text}}
    evidence |= {"slice": text, "slice_value": text}
    verdict = {"version": 3, "outcome": "failed", "message": text, "evidence": [evidence]}
    return Row(
        text,
        Kind.RETRAIN,
        "NotTrained",
        text,
        tuple(Change(text, text, [text]) for _ in range(changes)),
        (Stage(text, Result.UNKNOWN, text, 2.0), Stage("train", Result.HERE)),
        text,
        verdict,
        text,
    )


def hostile(text: str) -> Outlook:
    problem = Problem(text, 1, 2, text, text, text)
    blocked = Row(text, Kind.BLOCKED, text, text)
    return outlook(row(text), blocked, problems=(problem,), notes=(text,))


def check_inert(made: str) -> Seen:
    """Refuse a comment in which foreign text became anything but text within `<code>`."""
    found = seen(made)
    assert found.tags <= TAGS
    assert found.attributes == []
    assert set(found.cells[1:]) <= {3, 6}  # no cell was split, in the table or in the details
    assert not re.search(r"[@#]|://|www\.|evil", found.outside)
    assert "\n\n\n" not in made
    assert made.count("<details>") == made.count("</details>")
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_shown_and_means_nothing(text: str) -> None:
    found = check_inert(comment(hostile(text)))
    shown = " ".join(text.split())
    wanted = "".join(c if c.isprintable() else "�" for c in shown)[:59]
    assert any(wanted in one for one in found.codes)


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_no_text_at_all_means_anything(text: str) -> None:
    check_inert(comment(hostile(text)))


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*HOSTILE, "|", "\\", "`", "<", "&", "\n", "code>", "x"])))
def test_no_mixture_of_what_has_a_meaning_means_anything(parts: list[str]) -> None:
    check_inert(comment(hostile("".join(parts))))


@given(st.text(max_size=80))
def test_foreign_text_holds_nothing_that_a_parser_looks_for(text: str) -> None:
    made = code(text).removeprefix("<code>").removesuffix("</code>")
    assert not set(re.sub(r"&#\d+;", "", made)) & set("|\\`<>@[]*_~#:$!{}^&\"'\n\r\t")
    made.encode()


def test_the_comment_starts_with_the_marker_by_which_it_is_found_again() -> None:
    assert comment(outlook()).split("\n")[0] == MARKER == "<!-- reconciler-plan -->"
    assert failed(SpecError("no", hint="mend it")).split("\n")[0] == MARKER
    check_inert(failed(SpecError("`@all` <b>|", hint="https://evil.example")))


def test_two_thousand_changed_models_fit_and_what_is_left_out_is_counted() -> None:
    text = "x|<&@" * 30
    rows = [row(f"m{n}-{text}", changes=40) for n in range(2000)]
    problems = tuple(Problem(f"specs/m{n}.yaml", n, 1, text, text) for n in range(500))
    made = comment(outlook(*rows, problems=problems, notes=(text,) * 50))
    assert len(made) < LIMIT
    found = check_inert(made)
    listed = found.cells.count(6) - 1
    assert f"{2000 - listed} more models do not fit here" in made
    folded = made.count("<details>")
    assert 0 < folded < listed
    assert f"The details of {2000 - folded} more models do not fit here" in made
    told = made.count("\n- <code>specs/m")
    assert f"{500 - told} more problems do not fit here" in made
    assert made.rstrip().endswith("</sub>")


@settings(max_examples=25)
@given(st.integers(0, 300), st.integers(0, 40), st.integers(0, 60))
def test_a_comment_is_never_longer_than_a_host_takes(rows: int, changes: int, length: int) -> None:
    made = comment(outlook(*(row(f"m{n}" + "|" * length, changes) for n in range(rows))))
    assert len(made) < LIMIT
    if rows <= 2:
        assert made.count("<details>") == rows


def test_a_model_is_told_in_one_row_and_its_details_folded_below() -> None:
    changed = Change("spec.training.hyperparameters.alpha", 1.0, 0.5)
    evidence = {"metric": "r2", "outcome": "passed", "message": "r2 is 0.5", "slice": None}
    verdict = {"version": 1, "outcome": "passed", "message": "1 rule holds"}
    verdict |= {"evidence": [{**evidence, "slice_value": None, "threshold": {"min": 0.2}}]}
    stages = (Stage("prepare", Result.HERE), Stage("train", Result.NONE, "", 65.0))
    made = comment(
        outlook(
            Row("a", Kind.RETRAIN, "", "", (changed,), stages, "passed: 1 rule holds", verdict),
            Row("b", Kind.UNCHANGED, "Same", ""),
            seconds=65.0,
        )
    )
    assert (
        "| <code>a</code> | retrain "
        "| <code>spec.training.hyperparameters.alpha&#58; 1.0 → 0.5</code> "
        "| <code>prepare</code> cached<br><code>train</code> runs | 1 min 5 s "
        "| <code>passed&#58; 1 rule holds</code> |\n"
    ) in made
    assert "<td><code>1.0</code></td><td><code>0.5</code></td>" in made
    assert "<td><code>r2 min&#58; 0.2</code></td>" in made
    assert "1 unchanged · Expected time: 1 min 5 s with 1 job" in made
    assert "### Plan: 1 retrain\n" in made


def test_an_invalid_spec_is_told_with_its_place() -> None:
    problem = Problem("specs/a.yaml", 3, 7, "spec.data", "found nothing")
    made = comment(outlook(Row("a", Kind.BLOCKED, "InvalidSpec", "no"), problems=(problem,)))
    assert "specs/a.yaml:3:7: spec.data: found nothing" in " ".join(seen(made).codes)


def test_nothing_to_do_is_said_in_a_few_lines() -> None:
    made = comment(outlook(Row("a", Kind.UNCHANGED, "Same", "")))
    assert "### Plan: nothing to do" in made
    assert len(made.splitlines()) < 6
