"""`new`: a first spec from a table, with what was found in it beside each line."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters import dvc_config, files
from reconciler.adapters.runtime import installed
from reconciler.cli.wiring import Site, open_site
from reconciler.controller.working_tree import WorkingTree, compiled
from reconciler.core.compilation import spec_path
from reconciler.core.runtime import LIBRARIES, declaration
from reconciler.errors import SpecError, UsageError
from reconciler.spec.checks.data import SUFFIXES, suffix
from reconciler.spec.model import Metadata
from reconciler.spec.params import Params
from reconciler.spec.problems import nearest
from reconciler.spec.reading import read_fleet, read_params

if TYPE_CHECKING:
    from reconciler.pipeline.drafting.draft import Draft

#: Bytes from which a table is better kept by DVC than by git.
_LARGE = 5_000_000
#: Columns left out that are told of on the terminal.
_TOLD = 10


def run(name: str, source: str, target: str | None) -> int:
    """Return 0 when a spec was written; nothing is written when it would not be valid."""
    site = open_site()
    dvc_config.cache_dir(site.git.root)  # says so where there is no DVC
    path = spec_path(name)
    _check(site, name, path)
    place = _place(site, source)
    from reconciler.pipeline.drafting import writing
    from reconciler.pipeline.drafting.draft import draft

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library thinks of the numbers is not for here
        found = draft(name, site.git.root, place, target, _ask if sys.stdin.isatty() else None)
    text = writing.text(found)
    _validate(site, path, text, place)
    _tell(found, writing.size(found))
    files.write(site.git.root, path, text.encode())
    marked = sum("CHECK:" in line for line in text.splitlines())
    sys.stdout.write(f"wrote   {path}: read what is marked CHECK ({marked})\n")
    written = [path, *_compile(site)]
    _next(site, name, place, written)
    return 0


def _check(site: Site, name: str, path: str) -> None:
    """Refuse a name that no model can have, or that one has."""
    from pydantic import ValidationError

    try:
        Metadata(name=name)
    except ValidationError as error:
        raise UsageError(
            f"a model cannot be called {name!r:.80}",
            reason="InvalidName",
            hint="lower-case letters, digits and dashes, such as house-prices",
        ) from error
    if os.path.lexists(site.git.root / path):
        raise UsageError(
            f"{path} is there already, and is not overwritten",
            reason="Exists",
            hint="choose another name, or delete the file first",
        )


def _place(site: Site, source: str) -> str:
    """Return the table as `data.source` names it."""
    if source.startswith("sklearn:"):
        return source
    file = Path(os.path.abspath(source))  # noqa: PTH100  links stay as they are
    if not file.exists():
        beside = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        hint = nearest(file.name, beside, 1) or "a .csv, .tsv, .parquet or .jsonl"
        if f"{file.name}.dvc" in beside:
            hint = f"dvc pull {source}"
        raise UsageError(f"{source} does not exist", reason="NoSuchFile", hint=hint)
    if file.is_file() and suffix(file.name) not in SUFFIXES:
        message = f"{source} does not say by its ending how it is written"
        raise UsageError(message, reason="UnknownFormat", hint="a .csv, .tsv, .parquet or .jsonl")
    real = file.resolve()
    for one in (file, real):
        if one.is_relative_to(site.git.root):
            return one.relative_to(site.git.root).as_posix()
    inside = f"data/{file.name}"
    raise UsageError(
        f"{source} is outside of {site.git.root}, and a model rests on data of its own repository",
        reason="OutsideRepository",
        hint=f"copy it to {inside} (dvc add keeps large tables out of git), then --from {inside}",
    )


def _ask(names: Sequence[str], likely: str) -> str:
    import typer

    listed = ", ".join(names[:40]) + (", …" if len(names) > 40 else "")
    sys.stdout.write(f"columns: {listed}\n")
    while True:
        said = str(typer.prompt("which one is to be predicted?", default=likely))
        if said in names:
            return said
        sys.stdout.write(f"there is no such column. {nearest(said, names)}\n")


def _validate(site: Site, path: str, text: str, source: str) -> None:
    """Refuse to write what `validate` would refuse, for a reason that the caller can mend."""
    tree = WorkingTree(site.git.root)
    settings = tree.settings()
    read = read_params(tree.read(settings) or b"{}", settings)
    modes = {**site.git.files(), path: "100644"}
    if source not in modes and f"{source}.dvc" not in modes:
        _check_visible(site, source)
    _, problems = read_fleet({path: text.encode()}, read.params or Params(), site.catalogue, modes)
    if wrong := [str(one) for one in (*read.problems, *problems) if one.severity == "error"]:
        raise SpecError("; ".join(wrong), reason="InvalidSpec")


def _check_visible(site: Site, source: str) -> None:
    if not source.startswith("sklearn:") and site.git.ignored(source):
        raise UsageError(
            f"git ignores {source}, and DVC does not track it",
            reason="NotTracked",
            hint=f"dvc add {source}, or take it out of .gitignore; then this again",
        )


def _tell(found: Draft, size: str) -> None:
    from reconciler.pipeline.drafting.thresholds import reached

    kinds = [cast.type for cast in found.prepared.features]
    counted = ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds))
    task, best = found.prepared.target.task, found.baselines
    reason = f" ({found.target.reason})" if found.target.reason else ""
    sys.stdout.write(
        f"read    {size}\n"
        f"target  {found.target.name}{reason}: {task}\n"
        f"from    {len(kinds)} feature{'s' if len(kinds) > 1 else ''}: {counted}\n"
        f"score   {best.metric}: {reached(best, best.metric)}\n"
    )
    for name, why in list(found.ignored.items())[:_TOLD]:
        sys.stdout.write(f"without {name}: {why}\n")
    if (more := len(found.ignored) - _TOLD) > 0:
        sys.stdout.write(f"        and {more:,} more, see `ignore:`\n")


def _compile(site: Site) -> list[str]:
    """Bring params.yaml in step, and return what was written."""
    tree = WorkingTree(site.git.root)
    result = compiled(tree, site.catalogue, declaration(installed(LIBRARIES)), upgrade=False)
    stale = {path: text for path, text in result.files.items() if tree.read(path) != text}
    for path, text in stale.items():
        files.write(site.git.root, path, text)
        sys.stdout.write(f"wrote   {path}\n")
    return list(stale)


def _next(site: Site, name: str, source: str, written: Sequence[str]) -> None:
    """Print the commands that come next, ready to be copied."""
    here = Path.cwd().resolve() == site.git.root
    lines = [] if here else [f"cd {shlex.quote(str(site.git.root))}"]
    added = list(written)
    if not source.startswith("sklearn:") and site.git.uncommitted((source,)):
        if (site.git.root / source).stat().st_size > _LARGE:
            lines.append(f"dvc add {shlex.quote(source)}  # too large for git")
            added += [f"{source}.dvc", f"{Path(source).parent.as_posix()}/.gitignore"]
        else:
            added.append(source)
    quoted = " ".join(shlex.quote(path) for path in added)
    lines += [f"git add {quoted}", f'git commit -m "Declare {name}"', f"reconciler apply {name}"]
    sys.stdout.write("next:\n" + "".join(f"  {line}\n" for line in lines))
