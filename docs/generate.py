"""Writes docs/reference/ from the program itself: the spec's keys and every verb's help.

    python docs/generate.py [--check]

With `--check` it writes nothing, and exits 1 when a page is out of step.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from reconciler.cli.main import app
from reconciler.spec.schema import json_schema

PLACE = Path(__file__).parent / "reference"
_MADE = "<!-- made by docs/generate.py from the program: do not edit -->\n\n"
_ORDER = (
    "metadata",
    "data",
    "training",
    "packaging",
    "acceptance",
    "deployment",
)


def main() -> int:
    """Write the pages, or compare them; return the exit code."""
    stale = [path for path, text in _pages().items() if _read(path) != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(PLACE.parent.parent)} is out of step: run docs/generate.py")
        return int(bool(stale))
    PLACE.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(_pages()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(PLACE.parent.parent)}")
    return 0


def _pages() -> dict[Path, str]:
    return {
        PLACE / "spec.md": spec_reference(json_schema()),
        PLACE / "verbs.md": verbs_reference(),
    }


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def spec_reference(schema: Mapping[str, Any]) -> str:
    """Return the page of every key of a spec, section by section, from its JSON Schema."""
    parts = schema["$defs"]
    lines = [
        "# Reference: the spec",
        "",
        "Every key of `specs/<name>.yaml`. `apiVersion: reconciler/v1` and `kind: Model` open it."
        " Defaults may be set for the whole fleet in `params.yaml` under `defaults:`;"
        " `reconciler explain MODEL` prints what holds, and where it comes from.",
    ]
    sections = {"metadata": schema["properties"]["metadata"], **parts["Spec"]["properties"]}
    for key in (*_ORDER, *sorted(set(sections) - set(_ORDER))):
        prefix = key if key == "metadata" else f"spec.{key}"
        for path, part in _sections(prefix, sections[key], parts):
            lines += ["", f"## `{path}`", "", str(part.get("description", "")), ""]
            lines += ["| key | type | default | what it says |", "|---|---|---|---|"]
            lines += [_key_row(name, value) for name, value in part["properties"].items()]
    return _MADE + "\n".join(lines) + "\n"


def _sections(
    path: str, value: Mapping[str, Any], parts: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give a section and, after it, those inside it: path and schema."""
    found = _referred(value)
    if found is None:
        return
    name, suffix = found
    part = parts[name]
    yield f"{path}{suffix}", part
    for key, inner in part["properties"].items():
        yield from _sections(f"{path}{suffix}.{key}", inner, parts)


def _referred(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the class that a value is of, and how its path goes on; None for plain values."""
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2], ""
    if value.get("type") == "array" and "$ref" in value.get("items", {}):
        return str(value["items"]["$ref"]).rpartition("/")[2], "[]"
    extra = value.get("additionalProperties")
    if isinstance(extra, dict) and "$ref" in extra:
        return str(extra["$ref"]).rpartition("/")[2], ".<name>"
    return next(filter(None, map(_referred, value.get("anyOf", ()))), None)


def _key_row(name: str, value: Mapping[str, Any]) -> str:
    default = value.get("default")
    plain = default is None or _referred(value) is not None
    shown = "" if plain else f"`{json.dumps(default, ensure_ascii=False)}`"
    cells = (f"`{name}`", _type(value), shown, str(value.get("description", "")))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(value: Mapping[str, Any]) -> str:
    """Return a type in words."""
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        words = [_type(one) for one in value["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if "$ref" in value or _referred(value) is not None:
        return "list of sections" if value.get("type") == "array" else "section"
    if value.get("type") == "array":
        items = [value.get("items"), *value.get("prefixItems", ())]
        return f"list of {next((_type(one) for one in items if one), 'values')}"
    kinds = {"string": "text", "object": "mapping", "boolean": "true or false"}
    kind = kinds.get(str(value.get("type")), str(value.get("type", "any")))
    return kind + _bounds(value)


def _bounds(value: Mapping[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {value[key]}" for key, sign in words.items() if key in value]
    return f" {', '.join(found)}" if found else ""


def verbs_reference() -> str:
    """Return the page of every verb, in the groups and the order of `reconciler --help`."""
    program = typer.main.get_command(app)
    commands: Mapping[str, Any] = program.commands  # type: ignore[attr-defined]
    lines = [
        "# Reference: verbs",
        "",
        "Exit codes: 0 done, 1 not converged or not valid, 2 usage, 3 a bug of ours,"
        " 130 interrupted.",
    ]
    panel = None
    for name, command in commands.items():
        if command.hidden:
            continue
        if command.rich_help_panel != panel:
            panel = command.rich_help_panel
            lines += ["", f"## {panel}"]
        lines += ["", f"### `reconciler {name}`", "", *_verb(command)]
        for part, inner in getattr(command, "commands", {}).items():
            lines += ["", f"#### `reconciler {name} {part}`", "", *_verb(inner)]
    return _MADE + "\n".join(lines) + "\n"


def _verb(command: Any) -> Iterator[str]:
    yield str(command.help).strip()
    shown = (option for option in command.params if not getattr(option, "hidden", False))
    rows = [_option(option) for option in shown if option.name != "help"]
    if rows:
        yield from ("", "| | |", "|---|---|", *rows)


def _option(option: Any) -> str:
    said = str(option.help or "")
    if isinstance(option.default, Enum):
        words = ", ".join(f"`{choice.value}`" for choice in type(option.default))
        said += f" One of {words}; default: `{option.default.value}`."
    elif isinstance(option.default, str) and option.default:
        said += f" Default: `{option.default}`."
    return f"| `{_shown(option)}` | {said}".replace("\n", " ") + " |"


def _shown(option: Any) -> str:
    """Return an option's names, or an argument's place in the call."""
    if option.param_type_name != "argument":
        names = ", ".join((*option.opts, *option.secondary_opts))
        return f"{names} {option.metavar}" if option.metavar else names
    name = str(option.metavar or option.name.upper())
    return name if option.required or name.startswith("[") else f"[{name}]"


if __name__ == "__main__":
    raise SystemExit(main())
