"""SVG: elements as text. Every label is escaped here, and every number has two decimals at most."""

from __future__ import annotations

import html
from collections.abc import Iterable

from reconciler.core.pictures.wording import clipped, shown

#: Blue and orange of Okabe and Ito, darkened for contrast: told apart by every kind of eyes.
#: Written out twice instead of as variables, which few viewers but browsers know.
_STYLE = """\
.picture{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
.picture .ink{fill:#1f2328}.picture .soft{fill:#59636e}.picture .light{fill:#fff}
.picture .cell{fill:#f1f4f7}.picture .band{fill:#00598e;fill-opacity:.16}
.picture .grid{stroke:#d8dee4;fill:none}.picture .axis{stroke:#818b98;fill:none}
.picture .one{fill:#00598e}.picture .two{fill:#b34700}
.picture .line{stroke-width:2;fill:none;stroke-linejoin:round}
.picture .whisker{stroke:#1f2328}.picture .bar{stroke-width:2}
.picture .line.one,.picture .bar.one{stroke:#00598e}
.picture .line.two,.picture .bar.two{stroke:#b34700}
.picture .line.one,.picture .line.two{fill:none}
@media screen and (prefers-color-scheme:dark){
.picture .ink,.picture .light{fill:#f0f3f6}.picture .soft{fill:#a5afb9}
.picture .cell{fill:#22272e}.picture .band{fill:#2f8fcf;fill-opacity:.25}
.picture .grid{stroke:#363d46}.picture .axis{stroke:#7d8793}
.picture .whisker{stroke:#f0f3f6}
.picture .one{fill:#2f8fcf}.picture .two{fill:#e0761f}
.picture .line.one,.picture .bar.one{stroke:#2f8fcf}
.picture .line.two,.picture .bar.two{stroke:#e0761f}}
"""


def document(
    name: str, title: str, summary: str, size: tuple[float, float], body: Iterable[str]
) -> str:
    """Return an SVG document with a title and a description for those who cannot see it.

    Args:
        name: A word; the ids of the document begin with it, so that pictures share a page.
        title: Its name for people.
        summary: What it shows, in full.
        size: Width and height in pixels.
        body: The elements.
    """
    width, height = size
    parts = [
        element("title", html.escape(shown(title)), id=f"{name}-title"),
        element("desc", html.escape(shown(summary)), id=f"{name}-desc"),
        element("style", _STYLE),
        *body,
    ]
    return (
        element(
            "svg",
            "\n" + "\n".join(parts) + "\n",
            xmlns="http://www.w3.org/2000/svg",
            class_="picture",
            role="img",
            aria_labelledby=f"{name}-title {name}-desc",
            viewBox=f"0 0 {number(width)} {number(height)}",
            width=width,
            height=height,
        )
        + "\n"
    )


def element(tag: str, *children: str, **attributes: str | float) -> str:
    """Return an element; children are SVG already, attributes are escaped here.

    An underscore in an attribute's name stands for a hyphen, one at its end for nothing.
    """
    named = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items())
    return f"<{tag}{named}>{''.join(children)}</{tag}>" if children else f"<{tag}{named}/>"


def text(
    at: tuple[float, float],
    words: str,
    *,
    anchor: str = "start",
    style: str = "soft",
    width: int = 60,
    **attributes: str | float,
) -> str:
    """Return a text at most `width` columns wide; the whole of one that is cut is its tooltip.

    Args:
        at: x, and y of the middle of the line.
        words: Any text at all.
        anchor: `start`, `middle` or `end`: which part of it stands at x.
        style: Its class.
        width: Columns of a font of one width.
        attributes: Further ones.
    """
    whole = shown(words)
    cut = clipped(whole, width)
    inside = [html.escape(cut)]
    if cut != whole:
        inside.append(element("title", html.escape(clipped(whole, 1000))))
    x, y = at
    return element("text", *inside, x=x, y=y + 4, text_anchor=anchor, class_=style, **attributes)


def line(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    """Return a straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=style)


def path(points: Iterable[tuple[float, float]], style: str, **attributes: str | float) -> str:
    """Return a line through points."""
    joined = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return element("path", d=f"M{joined}", class_=style, **attributes)


def number(value: float) -> str:
    """Return a number with at most two decimals."""
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return html.escape(value) if isinstance(value, str) else number(value)
