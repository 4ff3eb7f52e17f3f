"""The report as one page: it fetches and runs nothing, and all words of the data are escaped."""

from __future__ import annotations

import html
import importlib.resources
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.adapters.layout import version_path
from reconciler.controller.reports import Report
from reconciler.core.pictures.picture import Cell, Picture
from reconciler.core.pictures.report import HEADING
from reconciler.core.pictures.svg import element
from reconciler.core.pictures.wording import shown, told
from reconciler.core.uncertainty import Estimate

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_TILES = 4
_GOOD = frozenset({"released", "passed", "superseded"})
_BAD = frozenset({"rejected", "failed", "withdrawn"})


def page(report: Report) -> str:
    """Return the page; equal reports give equal pages."""
    version = report.version
    title = f"{shown(report.model)}, version {version.number}"
    style = importlib.resources.files(__package__).joinpath("report.css").read_text("utf-8")
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        element("title", html.escape(title)),
        element("style", style),
    ]
    body = element("main", *_header(report, title), *_sections(report))
    inside = element("head", *head) + "\n" + element("body", body)
    return f'<!doctype html>\n<html lang="en">{inside}</html>\n'


def _sections(report: Report) -> Iterator[str]:
    version = report.version
    yield from _section("Acceptance", _evidence(report))
    yield from _section("Warnings", _listed((*version.warnings, *report.missing)))
    pictures = "".join(_figure(picture) for picture in report.pictures)
    if pictures:
        yield from _section("On the held-out rows", element("div", pictures, class_="pictures"))
    yield from _section("Metrics", _metrics(report.metrics))
    yield from _section("Where it comes from", _origin(report))
    yield from _section("How to make it again", _recipe(report))
    yield from _section("Model card", _card(report.card))


def _section(title: str, content: str) -> Iterator[str]:
    if content:
        yield element("section", element("h2", title), content)


def _header(report: Report, title: str) -> Iterator[str]:
    version = report.version
    verdict = version.verdict or {}
    said = str(verdict.get("message") or version.message or "the gate was not asked")
    outcome = element("span", version.outcome.value, class_=f"outcome {_mood(version.outcome)}")
    made = f" · revision {version.revision[:12]} · trained {version.created:%Y-%m-%d %H:%M} UTC"
    tiles = "".join(_tile(one) for one in report.metrics[:_TILES])
    parts = [
        element("h1", _text(title)),
        element("p", outcome, _text(made), class_="soft"),
        element("p", _text(said)),
        element("ul", tiles, class_="tiles") if tiles else "",
    ]
    yield element("header", *parts)


def _tile(one: Estimate) -> str:
    between = _between(one.low, one.high)
    under = f"95 %: {between}" if between else "no interval"
    value = element("strong", told(one.value))
    return element("li", element("span", _text(one.metric)), value, element("span", under))


def _evidence(report: Report) -> str:
    evidence = (report.version.verdict or {}).get("evidence", ())
    rows = [
        (
            _text(item["metric"]),
            _where(item),
            _wanted(item),
            told(item["value"]),
            _interval(item, report),
            f"{item['rows']:,}" if item["rows"] else "",
            element("span", item["outcome"], class_=f"outcome {_mood(item['outcome'])}"),
        )
        for item in evidence
    ]
    heads = ("metric", "where", "wanted", "value", "95 % interval", "rows", "outcome")
    return _table(heads, rows, "   nnn ", "evidence") if rows else ""


def _where(item: Mapping[str, Any]) -> str:
    if item["slice"] is None:
        return element("span", "all rows", class_="soft")
    return f"{_text(item['slice'])} = {_text(item['slice_value'])}"


def _wanted(item: Mapping[str, Any]) -> str:
    """Return the rule; where its outcome does not follow from the value, with the reason."""
    rule = _text(_rule(item["threshold"]))
    plain = item["value"] is not None and "compare" not in item["threshold"]
    return rule if plain else rule + element("small", _text(item["message"]))


def _rule(threshold: Mapping[str, Any]) -> str:
    if "compare" in threshold:
        sure = f"{100 * float(threshold['confidence']):.4g} %"
        return f"no worse than the {threshold['compare']} by {threshold['margin']}, {sure} sure"
    words = {"min": "at least", "max": "at most"}
    return " and ".join(f"{words[k]} {told(float(v))}" for k, v in threshold.items() if k in words)


def _interval(item: Mapping[str, Any], report: Report) -> str:
    between = _between(item["low"], item["high"])
    if "compare" in item["threshold"]:
        return f"better by {between}" if between else ""
    if between:
        return between
    known = report.intervals.get((item["metric"], item["slice"], item["slice_value"]))
    return _between(known.low, known.high) if known else ""


def _figure(picture: Picture) -> str:
    caption = element(
        "figcaption", element("h3", _text(picture.title)), element("p", _text(picture.summary))
    )
    rows = [[_cell(cell) for cell in row] for row in picture.rows]
    table = _table(picture.columns, rows, " " + "n" * (len(picture.columns) - 1))
    details = element("details", element("summary", "The same as a table"), table)
    return element("figure", caption, _inlined(picture.svg), details)


def _inlined(drawn: str) -> str:
    """Return an SVG as it was written; one that holds more than ours do is not shown."""
    if "<!" in drawn or "<script" in drawn.lower() or not drawn.startswith("<svg "):
        return element("p", "The picture is not one that this program has drawn.", class_="bad")
    return drawn


def _metrics(metrics: Sequence[Estimate]) -> str:
    rows = [(_text(m.metric), told(m.value), _between(m.low, m.high)) for m in metrics]
    heads = ("metric", "value", "95 % interval")
    return _table(heads, rows, " nn", "metrics") if rows else ""


def _origin(report: Report) -> str:
    version = report.version
    facts = {
        "Revision": version.revision,
        "Fingerprint": version.fingerprint,
        "Bundle": version.bundle.md5 if version.bundle else "",
        "Predictions": version.predictions.md5 if version.predictions else "",
        "Prepared data": version.prepared.md5 if version.prepared else "",
        **{f"Input {path}": md5 for path, md5 in _inputs(version.lock).items()},
        "Libraries": ", ".join(f"{n} {v}" for n, v in sorted(version.libraries.items())),
        "Seconds": ", ".join(f"{n} {told(s)}" for n, s in version.seconds.items()),
    }
    pairs = [
        element("dt", _text(name)) + element("dd", element("code", _text(value)))
        for name, value in facts.items()
        if value
    ]
    return element("dl", *pairs)


def _inputs(lock: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that the stages read and none of them wrote: path to md5."""
    blocks = [block for block in lock.values() if isinstance(block, Mapping)]
    made = {out["path"] for block in blocks for out in block.get("outs", ())}
    deps = (dep for block in blocks for dep in block.get("deps", ()))
    return {d["path"]: str(d["md5"]) for d in deps if d["path"] not in made and "md5" in d}


def _recipe(report: Report) -> str:
    version, model = report.version, report.model
    lines = [f"git switch --detach {version.revision}", f"dvc repro {_stages(report)}"]
    if version.bundle is not None:
        lines += [
            "",
            "# or without training, where the content is at a DVC remote:",
            f"dvc get . {version_path(model, version.number)}/bundle --rev deployed -o {model}",
        ]
    words = "With the libraries above, equal inputs give the bundle above, byte for byte."
    shell = "\n".join(html.escape(shown(line)) if line else "" for line in lines)
    return element("pre", shell) + element("p", words, class_="soft")


def _stages(report: Report) -> str:
    """Return the stages that make it: ours, or those of an adopted model, which are its own."""
    ours = f"@{report.model}"
    own = [name for name in report.version.lock if not name.endswith(ours)]
    return " ".join(own) or f"evaluate{ours}"


def _card(card: str) -> str:
    """Return the card's Markdown as HTML, headings below ours; it can link to nothing."""
    if not card:
        return ""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["link", "image", "autolink", "reference"])
    tokens = reader.parse(card.partition("\n")[2].partition(HEADING)[0])
    for token in tokens:
        if token.tag in ("h1", "h2", "h3"):
            token.tag = "h4"
    return element("div", reader.renderer.render(tokens, reader.options, {}), class_="wide")


def _listed(items: Iterable[str]) -> str:
    parts = [element("li", _text(item)) for item in items]
    return element("ul", *parts, class_="plain") if parts else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], kinds: str, style: str = "") -> str:
    """Return a table of cells that are HTML already; `n` in `kinds` marks a column of numbers."""
    styles = [{"class_": "n"} if kind == "n" else {} for kind in kinds]
    top = [
        element("th", _text(head), scope="col", **style)
        for head, style in zip(heads, styles, strict=True)
    ]
    body = [
        element("tr", *(element("td", c, **s) for c, s in zip(row, styles, strict=True)))
        for row in rows
    ]
    parts = element("thead", element("tr", *top)), element("tbody", *body)
    return element("div", element("table", *parts, class_=style), class_="wide")


def _cell(cell: Cell) -> str:
    return _text(cell) if isinstance(cell, str) else told(cell)


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None and high is None else f"{told(low)} to {told(high)}"


def _mood(outcome: str) -> str:
    return "good" if outcome in _GOOD else "bad" if outcome in _BAD else "open"


def _text(value: object) -> str:
    """Return a text as HTML that keeps its direction to itself."""
    return f"<bdi>{html.escape(shown(value))}</bdi>"
