"""Misfortunes that come with what is committed, and with what is done to the repository."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from tests.company.company import Company
from tests.company.running import until
from tests.killing.bed import declared


def a_spec_that_cannot_be_followed(company: Company) -> Iterator[str]:
    """It names a hyperparameter that is none; what it declared last stays in production."""
    project = company.project
    spec = project.root / "specs" / "ada.yaml"
    good = spec.read_text()
    spec.write_text(good.replace('"alpha"', '"alpa"'))
    company.write("cyd", declared("cyd", 2))
    company.expect(cyd=2)
    project.commit("Misspell")
    said = company.stands("ada", sync="OutOfSync", health="Healthy", reason="InvalidSpec")
    assert "specs/ada.yaml:6:" in str(said["detail"])
    assert "specs/ada.yaml:6:" in project.reconciler("why", "ada").stdout
    stalled = [c for c in said["conditions"] if c["type"] == "Stalled"]  # type: ignore[attr-defined]
    assert stalled[0]["status"] == "True"
    company.stands("cyd", sync="Synced", health="Healthy")
    assert company.serves("ada", 1)
    yield "InvalidSpec, Stalled, Healthy"
    spec.write_text(good)
    project.commit("Spell it right")


def specs_emptied(company: Company) -> Iterator[str]:
    """Nothing is declared any more: most often by mistake, so nothing is withdrawn."""
    project = company.project
    project.git("rm", "-q", "-r", "specs")
    project.commit("Empty specs/")
    said = company.stands("ada", reason="MassChange")
    assert "declares no model" in str(said["detail"])
    assert company.serves("ada", 1)
    yield "MassChange"
    project.git("revert", "--no-edit", "HEAD")


def settings_broken(company: Company) -> Iterator[str]:
    """params.yaml, on which every model rests, cannot be read."""
    yield from _unfollowed(company, "params.yaml", "defaults: {", "InvalidParams")


def settings_gone(company: Company) -> Iterator[str]:
    """params.yaml is missing."""
    yield from _unfollowed(company, "params.yaml", None, "ParamsMissing")


def pipeline_gone(company: Company) -> Iterator[str]:
    """dvc.yaml is missing."""
    yield from _unfollowed(company, "dvc.yaml", None, "PipelineMissing")


def _unfollowed(company: Company, path: str, text: str | None, reason: str) -> Iterator[str]:
    """Commit a file that nothing can go on without, or its absence, and take that back."""
    project, seen = company.project, len(company.daemon.lines())
    good = (project.root / path).read_text()
    if text is None:
        (project.root / path).unlink()
    else:
        project.write(path, text)
    project.commit(f"Break {path}")
    company.daemon.told(lambda line: line.get("reason") == reason, seen)
    assert company.serves("ada", 1)
    yield f"{reason}, in the log"
    project.write(path, good)
    project.commit(f"Mend {path}")


def records_deleted(company: Company) -> Iterator[str]:
    """Somebody deletes the branch `deployed`: what it held is trained from the cache again."""
    project = company.project
    project.git("branch", "-q", "-D", "deployed")
    until(lambda: project.git("branch", "--list", "deployed"), else_=company.tail)
    yield company.goes_on()


def record_corrupted(company: Company) -> Iterator[str]:
    """Somebody commits a record that cannot be read; the other models go on."""
    project = company.project
    good = project.git("rev-parse", "deployed")
    _commit_record(company, "ada", "kind: nonsense\n")
    company.stands("ada", reason="RecordCorrupt", health="Unknown")
    company.declare(dan=3)
    company.stands("dan", sync="Synced", health="Healthy")
    assert company.serves("ada", 1)
    yield "RecordCorrupt, Unknown"
    text = project.git("show", f"{good}:ada.yaml") + "\n"
    _commit_record(company, "ada", text)


def _commit_record(company: Company, model: str, text: str) -> None:
    """Put a text in the place of a record, as somebody would who knows git."""
    project = company.project
    aside = project.root.parent / "aside"
    shutil.rmtree(aside, ignore_errors=True)
    project.git("clone", "-q", "--branch", "deployed", str(project.root), str(aside))
    (aside / f"{model}.yaml").write_text(text)
    for argv in (("add", "-A"), ("commit", "-q", "-m", "By hand"), ("push", "-q")):
        project.git("-C", str(aside), *argv)
    shutil.rmtree(aside)


def collected(company: Company) -> Iterator[str]:
    """`git gc` packs everything while a model is trained, and prunes what nothing names."""
    project = company.project
    company.declare(eve=1)
    for _ in range(2):
        project.git("gc", "--quiet", "--prune=now", "--aggressive")
    yield company.goes_on()


def forced_back(company: Company) -> Iterator[str]:
    """The branch is set back to a commit that was followed before."""
    project = company.project
    was = project.git("rev-parse", "HEAD")
    company.declare(ada=2)
    company.well()
    project.git("reset", "-q", "--hard", was)
    company.expect(ada=1)
    yield company.goes_on()


def unrelated(company: Company) -> Iterator[str]:
    """The branch is set to a history that has nothing in common with the one before."""
    project = company.project
    tree = project.git("rev-parse", "HEAD^{tree}")
    root = project.git("commit-tree", tree, "-m", "Another beginning")
    project.git("reset", "-q", "--hard", root)
    company.declare(ada=2)
    yield company.goes_on()
    company.declare(ada=1)


def branch_recreated(company: Company) -> Iterator[str]:
    """The branch is deleted, and comes back elsewhere."""
    project, seen = company.project, len(company.daemon.lines())
    tip = project.git("rev-parse", "HEAD")
    project.git("update-ref", "-d", "refs/heads/main")
    company.daemon.told(lambda line: line.get("reason") == "BranchGone", seen)
    assert company.serves("ada", 1)
    yield "BranchGone, in the log"
    project.git("update-ref", "refs/heads/main", tip)
    company.declare(fay=2)


def moved_away(company: Company) -> Iterator[str]:
    """The whole repository is moved elsewhere, and comes back."""
    project, seen = company.project, len(company.daemon.lines())
    aside = project.root.with_name("elsewhere")
    project.root.rename(aside)
    company.daemon.told(lambda line: line.get("reason") == "RepositoryAway", seen)
    aside.rename(project.root)
    company.declare(gus=3)
    yield "RepositoryAway, in the log"


def five_hundred_commits(company: Company) -> Iterator[str]:
    """Commits come faster than they can be followed: the last one counts."""
    seen = len(company.daemon.lines())
    commits(company, 500)
    said = company.goes_on()
    looks = sum(line.get("reason") == "Synced" for line in company.daemon.lines(seen))
    yield f"{said}, in {looks} looks"


def a_hundred_commits(company: Company) -> Iterator[str]:
    """The same, in less time."""
    commits(company, 100)
    yield company.goes_on()


def commits(company: Company, count: int) -> None:
    """Commit as fast as git can, each with another threshold for ada; the last asks for alpha 2."""
    project = company.project
    stream = [_commit(n, declared("ada", 1, 0.1 + n / 10_000)) for n in range(count - 1)]
    stream.append(_commit(count, declared("ada", 2)))
    tip = project.git("rev-parse", "HEAD")
    begin = f"reset refs/heads/main\nfrom {tip}\n\n"
    each = b"checkpoint\n".join(s.encode() for s in stream)
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=project.root, env=project.env, check=True,
        input=begin.encode() + each,
    )  # fmt: skip
    project.git("reset", "-q", "--hard")
    company.expect(ada=2)


def _commit(number: int, spec: str) -> str:
    message = f"Number {number}"
    return (
        "commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\n"
        f"data {len(message)}\n{message}\nM 100644 inline specs/ada.yaml\n"
        f"data {len(spec)}\n{spec}\n"
    )
