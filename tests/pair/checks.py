"""What must hold of a team: while it comes to rest, at rest, and of all that it has decided."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from reconciler.adapters.snapshot import Reader, Snapshot
from reconciler.cli.wiring import open_site
from reconciler.core.notes import describe, noted
from reconciler.core.record import Outcome, Record, Version
from reconciler.core.stored import to_plain
from tests.hosts import git
from tests.killing.state import timeless
from tests.pair.team import Kill, Team

DEPLOYED = "refs/heads/deployed"
#: What tells of a decision that was put on record, in a daemon's log.
DECIDED = frozenset(
    {"Released", "RolledBack", "Accepted", "Judged", "Rejected", "Inconclusive", "Superseded",
     "Retired"}
)  # fmt: skip


def unrest(team: Team, *names: str) -> list[str]:
    """Return what is still to be done, by the records and at each daemon; cheapest first."""
    refs = _refs(team.hub)
    missing = [f"{team.hub}: {ref} is held" for ref in refs if ref.startswith("refs/reconciler/")]
    for name in names:
        here = _refs(team.state(name))
        for ref in ("refs/heads/main", DEPLOYED):
            if here.get(ref) != refs.get(ref):
                missing.append(f"{name}: {ref} is {here.get(ref)} instead of {refs.get(ref)}")
    if missing:
        return missing
    team.records()
    site = open_site(team.ada.root)
    snapshot = site.store.read()
    plans = site.release_plans(snapshot)
    for model, plan in plans.items():
        if plan.actions:
            missing.append(f"{model}: {plan.reason}: {plan.message}")
    champions = {m: r.champion for m, r in snapshot.records.items() if r.champion}
    for name in names:
        missing += [f"{name}: {what}" for what in unserved(team, name, champions)]
        stands = standing(team, name)
        missing += [
            f"{name}: {model} stands {stands.get(model)}"
            for model in champions
            if plans[model].reason == "Settled" and stands.get(model, ("", ""))[1] != "Healthy"
        ]
    return missing


def unserved(team: Team, name: str, champions: Mapping[str, Version]) -> list[str]:
    """Return what a daemon's target serves otherwise than is on record, byte by byte."""
    root = team.state(name) / "reconciler" / "releases"
    found = []
    for model, champion in champions.items():
        assert champion.bundle is not None
        listing = _stored(team, champion.bundle.md5)
        wanted = {item["relpath"]: item["md5"] for item in json.loads(listing)}
        served = _digests(root / model / "current")
        if served != wanted:
            found.append(f"{model} is served as {sorted(served)}, not version {champion.number}")
    links = {path.parent.name for path in root.glob("*/current")}
    return found + [f"{model} is served still" for model in sorted(links - champions.keys())]


def standing(team: Team, name: str) -> dict[str, tuple[str, str, str]]:
    """Return how each model stands for a daemon: sync, health, detail."""
    return dict(open_site(team.state(name), rev=None).status.seen())


@dataclass(frozen=True)
class History:
    """The branch of records, from its first commit to its last."""

    commits: tuple[str, ...]
    authors: tuple[str, ...]
    """Of each commit."""
    decisions: tuple[tuple[str, str, str], ...]
    """Who decided, about which model, in which words."""
    faults: tuple[str, ...]


def history(team: Team) -> History:
    """Read every commit of the branch of records on the remote, and return what is wrong there."""
    commits = git(team.hub, "rev-list", "--reverse", DEPLOYED).splitlines()
    reader = Reader(open_site(team.hub, rev=None).git, DEPLOYED)
    authors, decisions, faults = [], [], list(_unlinked(team, commits))
    before = Snapshot(None)
    numbered: dict[tuple[str, int], str] = {}
    main = git(team.hub, "rev-list", "--reverse", "refs/heads/main").splitlines()
    for commit in commits:
        after = reader.read(commit)
        author, text = git(team.hub, "log", "-1", "--format=%an%x00%B", commit).split("\0")
        authors.append(author)
        told = set(re.findall(r"^Model: (.*)$", text, re.MULTILINE))
        changed = {
            n for n in {*before.records, *after.records}
            if before.records.get(n) != after.records.get(n)
        }  # fmt: skip
        if told != changed:
            faults.append(f"{commit} tells of {sorted(told)} and changes {sorted(changed)}")
        for name in sorted(changed):
            said, meant = (
                noted(text, name),
                describe(name, before.records.get(name), after.records.get(name)),
            )
            decisions.append((author, name, meant.subject))
            if said is None or said.subject != meant.subject:
                faults.append(f"{commit} says {said} and means {meant}")
            faults += _renumbered(after.records.get(name), numbered)
            rests = [r.attempted for s in (before, after) if (r := s.records.get(name))]
            at = [main.index(revision) for revision in rests if revision]
            if at != sorted(at):
                faults.append(f"{commit} takes {name} back to what was declared before: {at}")
        before = after
    return History(tuple(commits), tuple(authors), tuple(decisions), tuple(faults))


def _unlinked(team: Team, commits: Sequence[str]) -> Iterator[str]:
    """Yield what was on the remote at some time and is not in the history, or has two parents."""
    for line in git(team.hub, "rev-list", "--min-parents=2", DEPLOYED).splitlines():
        yield f"{line} has more than one parent"
    roots = git(team.hub, "rev-list", "--max-parents=0", DEPLOYED).splitlines()
    if len(roots) != 1:
        yield f"the history begins {len(roots)} times"
    pushed = git(team.hub, "log", "-g", "--format=%H", DEPLOYED).splitlines()[::-1]
    if pushed != list(commits):
        yield f"pushed were {len(pushed)} commits, the history has {len(commits)}"


def _renumbered(record: Record | None, numbered: dict[tuple[str, int], str]) -> Iterator[str]:
    """Yield versions of which a number was given twice, or of which there are two."""
    versions = record.versions if record else ()
    for version in versions:
        assert record is not None
        cut = version.outcome is Outcome.CANCELLED
        content = f"cut {version.fingerprint} {version.revision}" if cut else version.bundle_digest
        key = (record.model, version.number)
        if numbered.setdefault(key, str(content)) != str(content):
            yield f"{key} was {numbered[key]} and is {content}"
    bundles = Counter(v.bundle_digest for v in versions if v.bundle_digest)
    for bundle, times in bundles.items():
        if times > 1:
            yield f"{record and record.model} has {bundle} {times} times"


def told(team: Team, *names: str) -> list[dict[str, Any]]:
    """Return what daemons have logged."""
    lines = (line for n in names for line in (team.place / f"{n}.log").read_text().splitlines())
    return [json.loads(line) for line in lines if line.startswith("{")]


def untold(team: Team, of: History, kills: int, *names: str) -> list[str]:
    """Return in what the daemons' logs and the history differ; a kill may cost a last line."""
    said = Counter(
        line["model"] for line in told(team, *names)
        if line["event"] == "Decided" and line["reason"] in DECIDED
    )  # fmt: skip
    found = Counter(model for author, model, _ in of.decisions if author == "reconciler")
    lost = [f"{m}: {n} decisions told, {found[m]} on record" for m, n in said.items()
            if n > found[m]]  # fmt: skip
    silent = found.total() - said.total()
    return lost + ([f"{silent} decisions were told by nobody"] if silent > 4 * kills else [])


@dataclass(frozen=True)
class Run:
    """A stage that ran."""

    stage: str
    model: str
    content: str
    """What decides the result, hyperparameters and data."""
    daemon: str
    group: str
    began: float
    ended: float | None
    """Seconds since the epoch; None: it was cut."""


def runs(team: Team) -> list[Run]:
    """Return every stage that ran, in order; what comes from DVC's cache does not run."""
    file = Path(team.ada.env["PAIR_STAGES"])
    found: dict[tuple[str, ...], Run] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        word, stage, model, content, daemon, group, at = line.split()
        key = (stage, model, group)
        if word == "start":
            found[key] = Run(stage, model, content, daemon, group, float(at), None)
        else:
            found[key] = replace(found[key], ended=float(at))
    return list(found.values())


@dataclass(frozen=True)
class Trained:
    """What was trained, and how often."""

    once: int
    cut: int
    """Runs that did not end: their daemon was killed, or they were not wanted any more."""
    superseded: int
    """More runs, each after one that was cut short because it was not wanted any more."""
    killed: int
    """More runs, each after one whose daemon was killed before its lease was given back."""
    again: tuple[str, ...]
    """More runs for which there is no such cause."""
    shared: int
    """More runs of a stage before, whose inputs two trainings at a time had in common."""


def trained(team: Team, kills: Sequence[Kill]) -> Trained:
    """Return how often the same was trained."""
    all_runs = runs(team)
    whole = {run.group for run in all_runs if run.stage == "evaluate" and run.ended}
    cut = [
        (line["model"], line["ts"]) for line in told(team, *team.daemons)
        if line.get("reason") == "Superseded"
    ]  # fmt: skip
    by_content: dict[tuple[str, str], list[Run]] = defaultdict(list)
    prepared: Counter[tuple[str, str]] = Counter()
    for run in all_runs:
        if run.stage == "train" and run.ended:
            by_content[run.model, run.content].append(run)
        if run.stage == "prepare" and run.ended:
            data = run.content.partition("data:")[2]
            prepared[run.model, data] += 1
    superseded = killed = 0
    again = []
    for (model, content), found in by_content.items():
        for first, second in pairwise(found):
            held = [k for k in kills if k.daemon == first.daemon and k.at >= first.began]
            if any(k.at <= second.began for k in held):
                killed += 1
            elif first.group not in whole or any(m == model for m, _ in cut):
                superseded += 1
            else:
                again.append(f"{model} {content}: {first} and {second}")
    cut_runs = sum(run.stage == "train" and run.ended is None for run in all_runs)
    return Trained(
        len(by_content), cut_runs, superseded, killed, tuple(again),
        sum(times - 1 for times in prepared.values()),
    )  # fmt: skip


def likeness(ours: Path, lone: Path) -> list[str]:
    """Return in what records differ from those of a lone daemon that saw the last commit only.

    Of models that are not accepted as they are declared, another version may be in production:
    that depends on what was there before, and is not compared.

    Args:
        ours: The repository of the team.
        lone: That of the lone daemon.
    """
    known, wanted = records(ours), records(lone)
    found = []
    for name in sorted({*known, *wanted}):
        here, there = _outcome(known.get(name)), _outcome(wanted.get(name))
        rejected = name in wanted and there is None
        if here != there and not rejected:
            found.append(f"{name}: {here} instead of {there}")
    return found


def records(repository: Path) -> dict[str, Record]:
    """Return the records of a bare repository."""
    commit = _refs(repository).get(DEPLOYED)
    reader = Reader(open_site(repository, rev=None).git, DEPLOYED)
    return dict(reader.read(commit).records) if commit else {}


def _outcome(record: Record | None) -> dict[str, Any] | None:
    if record is None or record.champion is None:
        return None
    kept = ("fingerprint", "bundle", "predictions", "prepared", "metrics", "outcome", "verdict")
    plain = timeless(to_plain(record)["champion"])
    return {key: plain.get(key) for key in kept} | {"holds": len(record.holds)}


@dataclass(frozen=True)
class Asked:
    """How often git was started, by what for."""

    looks: int
    """Questions where the refs stand, one for each tick or hint."""
    questions: int
    """Questions about one ref: a lease that is taken, records that are refreshed."""
    fetches: int
    pushes: int
    recorded: int
    """Pushes of records among them."""
    processes: int
    """All of them."""


def asked(team: Team, name: str) -> Asked:
    """Return how often a daemon has started git."""
    text = (team.place / f"{name}.git").read_text(errors="replace")
    starts = re.findall(r"^\S+ \S+ +start (.*)$", text, re.MULTILINE)
    words = Counter(
        next((w for w in ("ls-remote", "fetch", "push") if f" {w} " in line), "") for line in starts
    )
    looks = sum(" ls-remote " in line and "refs/reconciler/leases/*" in line for line in starts)
    recorded = sum(" push " in line and line.endswith(f":{DEPLOYED}") for line in starts)
    return Asked(
        looks, words["ls-remote"] - looks, words["fetch"], words["push"], recorded, len(starts)
    )  # fmt: skip


def locks(team: Team, *names: str) -> list[str]:
    """Return the locks that git has left in the remote and in the mirrors."""
    folders = (team.hub, *map(team.state, names))
    return [str(p) for f in folders for p in (*f.glob("*.lock"), *(f / "refs").rglob("*.lock"))]


def _refs(repository: Path) -> dict[str, str]:
    if not (repository / "HEAD").exists():
        return {}
    lines = git(repository, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split() for line in lines)


def _stored(team: Team, md5: str) -> bytes:
    """Return an object of the shared DVC remote."""
    return (team.place / "store" / "files" / "md5" / md5[:2] / md5[2:]).read_bytes()


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files
    }
