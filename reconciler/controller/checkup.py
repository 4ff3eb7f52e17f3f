"""Checkup: what is wrong with a machine or a clone, found before it stops a model."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from reconciler.adapters import dvc_config, merging
from reconciler.adapters.counterpart import apart
from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.git import Git
from reconciler.adapters.git_remote import GitRemote, location
from reconciler.adapters.layout import REF
from reconciler.adapters.process import run
from reconciler.adapters.runtime import installed
from reconciler.adapters.snapshot import Snapshot
from reconciler.adapters.status import StatusStore
from reconciler.adapters.targets import LOCAL, open_servers
from reconciler.adapters.targets.local import absent
from reconciler.controller.last_seen import last_seen
from reconciler.controller.workspace import Workspace
from reconciler.core import compilation
from reconciler.core.runtime import LIBRARIES, mismatches
from reconciler.core.target_plan import HINTS, UNSEEN, Fault
from reconciler.errors import ReconcilerError, TransientError
from reconciler.ports.servers import Report
from reconciler.spec.params import Params

_GIT = (2, 25)
_DVC = (3, 60)
_LITTLE = 2_000_000_000
_DRAWN = 10_000_000_000
#: Models that one line tells of.
_LISTED = 3


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    what: str
    hint: str = ""
    """What to do; empty where nothing needs doing."""


@dataclass(frozen=True)
class Patient:
    """What is looked at.

    Args:
        params: What params.yaml says; None: it cannot be read.
        online: Ask the DVC remote, too.
    """

    git: Git
    workspace: Workspace
    store: DeployedStore
    params: Params | None
    online: bool


Check = Callable[[Patient], Iterator[Finding]]


def checkup(patient: Patient) -> Iterator[Finding]:
    """Give every finding, in the order in which things rest on each other.

    A check that fails in a way it did not foresee is a finding itself.
    """
    for check in CHECKS:
        subject = check.__name__.lstrip("_")
        try:
            yield from check(patient)
        except ReconcilerError as error:
            yield Finding(subject, Level.FAIL, error.message, error.hint)
        except OSError as error:
            yield Finding(subject, Level.FAIL, f"{error.filename or ''}: {error.strerror}")


def _versions(patient: Patient) -> Iterator[Finding]:
    said = run(("git", "--version"), patient.git.place).stdout.decode().strip()
    yield _recent("git", said, _GIT, "install a newer git")
    yield _recent("dvc", installed(("dvc",)).get("dvc", "none"), _DVC, "pip install -U dvc")
    import ruamel.yaml

    if not getattr(ruamel.yaml, "__with_libyaml__", False):
        what = "YAML is read without its C parser, at a fifth of the speed"
        yield Finding("yaml", Level.WARN, what, "pip install ruamel.yaml.clib")


def _runtime(patient: Patient) -> Iterator[Finding]:
    if patient.params is None:
        what = "params.yaml cannot be read"
        yield Finding("runtime", Level.FAIL, what, "`reconciler validate` says what is wrong")
        return
    declared = patient.params.runtime
    found = mismatches(declared, installed(tuple({*LIBRARIES, *declared})))
    if found:
        listed = ", ".join(str(item) for item in found)
        hint = "install these, or declare yours with `reconciler compile --upgrade-runtime`"
        yield Finding("runtime", Level.FAIL, f"nothing can be trained here: {listed}", hint)
    else:
        yield Finding("runtime", Level.OK, f"{len(declared)} libraries are as declared")


def _clone(patient: Patient) -> Iterator[Finding]:
    if not os.access(patient.git.common_dir / "refs", os.W_OK):
        what = f"{patient.git.common_dir} cannot be written: nothing can be put on record"
        yield Finding("clone", Level.FAIL, what, "run as the owner of the repository")
    if (patient.git.common_dir / "shallow").exists():
        what = "the clone is shallow: plans cannot tell what has changed since an old release"
        yield Finding("clone", Level.WARN, what, "git fetch --unshallow")
    if not patient.git.bare and merging.missing(patient.git):
        what = "the merge driver that .gitattributes names is not installed in this clone"
        yield Finding("clone", Level.WARN, what, "run `reconciler init`")
    hook = patient.git.common_dir / "hooks" / "post-checkout"
    if hook.is_file() and b"dvc" in hook.read_bytes():
        what = "`dvc install` has put a hook that checks out all data at every switch"
        yield Finding("clone", Level.WARN, what, f"delete {hook} if that takes too long")
    for name in ("user.name", "user.email"):
        if not run(("git", "config", name), patient.git.place).stdout.strip():
            what = f"git has no {name}: verbs that steer say who did it"
            yield Finding("clone", Level.WARN, what, f"git config --global {name} …")


def _records(patient: Patient) -> Iterator[Finding]:
    found = patient.store.read()
    for name, why in found.quarantined.items():
        what = f"the record of {name} cannot be read: {why}"
        yield Finding("records", Level.FAIL, what, "revert the commit on `deployed` that broke it")
    if found.commit is None:
        yield Finding("records", Level.OK, "nothing is recorded yet")
    elif not found.quarantined:
        yield Finding("records", Level.OK, _counted(found))
    if (far := apart(patient.git)).what:
        yield Finding("records", Level.WARN, far.what, far.hint)


def _workspace(patient: Patient) -> Iterator[Finding]:
    patient.workspace.prepare()
    holder = patient.workspace.holder()
    at_work = "no reconciler" if holder is None else f"process {holder}"
    yield Finding("workspace", Level.OK, f"{at_work} is at work here")
    with tempfile.TemporaryFile(dir=patient.workspace.base):
        yield Finding("workspace", Level.OK, f"{patient.workspace.base} can be written")


def _status(patient: Patient) -> Iterator[Finding]:
    if not patient.workspace.status.exists():
        return
    try:
        StatusStore(patient.workspace.status).close()
    except TransientError as error:
        what = f"how models are doing is not kept, nor are events: {error.message}"
        hint = "it can be deleted at any time"
        yield Finding("status", Level.WARN, what, hint)
    else:
        yield Finding("status", Level.OK, "how models are doing, and events, can be kept")


def _watching(patient: Patient) -> Iterator[Finding]:
    from reconciler.adapters.ref_watch import watching

    with watching(patient.git, lambda: None) as watch:
        trouble = watch.renew()
    if trouble is None:
        yield Finding("watching", Level.OK, "a daemon here notices commits at once")
    else:
        hint = f"raise {' or '.join(_limits())} (`sysctl -w`)"
        yield Finding("watching", Level.WARN, trouble, hint)


def _limits() -> Iterator[str]:
    """Give the system's limits of watches, each with its value where that can be read."""
    for name in ("max_user_watches", "max_user_instances"):
        file = Path("/proc/sys/fs/inotify") / name
        now = f" (now {file.read_text().strip()})" if file.exists() else ""
        yield f"fs.inotify.{name}{now}"


def _cache(patient: Patient) -> Iterator[Finding]:
    cache = dvc_config.cache_dir(patient.workspace.root)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache):
        pass
    if cache.stat().st_dev != patient.workspace.root.stat().st_dev:
        what = f"{cache} is on another file system: data is copied into every slot, not linked"
        yield Finding("cache", Level.WARN, what, "`dvc cache dir` moves it")
    else:
        yield Finding("cache", Level.OK, f"{cache} can be written, and linked from")
    what = "`dvc gc -w` would delete kept versions and their predictions"
    yield Finding("cache", Level.OK, what, "use `reconciler gc`, which knows them")
    yield _room(cache)


def _remote(patient: Patient) -> Iterator[Finding]:
    name = dvc_config.remotes(patient.workspace.root).default
    if name is None:
        what = "there is no default DVC remote: what is trained here stays here"
        yield Finding("remote", Level.WARN, what, "dvc remote add -d NAME URL")
    elif not patient.online:
        yield Finding("remote", Level.OK, f"'{name}' was not asked", "--online asks it")
    else:
        Remote(patient.workspace.root).fetch(_NOTHING)
        yield Finding("remote", Level.OK, f"'{name}' answers")


def _servers(patient: Patient) -> Iterator[Finding]:
    """Ask the servers, if anything says that a model is served by some."""
    if patient.params is None:
        return
    settings = patient.params.targets.get(LOCAL)
    argv = ("git", "grep", "-qE", f"target: *{LOCAL}", "HEAD", "--", compilation.SPECS)
    default = patient.params.defaults.get("deployment") or {}
    declared = default.get("target") == LOCAL or run(argv, patient.git.place).code == 0
    if settings is None and not declared:
        return
    for report in open_servers(settings or {}, patient.workspace.base).look():
        if report.away:
            yield _away(patient, report)
            continue
        count = len(report.models)
        what = f"{report.endpoint} serves {count} model{'' if count == 1 else 's'}"
        yield Finding("servers", Level.OK, what)


def _away(patient: Patient, report: Report) -> Finding:
    """Tell of a server that says nothing to us, and what the daemon here has seen of it, if any."""
    fault, holder = absent(report), patient.workspace.holder()
    last = last_seen(patient.workspace) if fault in UNSEEN and holder is not None else {}
    if not last:
        return Finding("servers", Level.WARN, report.away, HINTS[fault])
    wrong = [f"{name}: {one.message}" for name, one in last.items() if one.reason in list(Fault)]
    at = max(last.values(), key=lambda one: one.at).when
    found = "; ".join(wrong[:_LISTED]) or "nothing wrong with what is served"
    what = f"{report.away}; process {holder}, which is at work here, last wrote at {at}: {found}"
    return Finding(
        "servers", Level.WARN if wrong else Level.OK, what, HINTS[fault] if wrong else ""
    )


def _origin(patient: Patient) -> Iterator[Finding]:
    said = run(("git", "config", "--get", "remote.origin.url"), patient.git.place)
    url = said.stdout.decode(errors="replace").strip()
    if not url or not patient.online:
        return
    remote = GitRemote(patient.git.common_dir, location(url, patient.git.place))
    remote.refs(REF)
    yield Finding("origin", Level.OK, f"{remote.name} answers")


#: The md5 of no bytes: where a remote has it, it costs nothing to fetch.
_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"

CHECKS: tuple[Check, ...] = (
    _versions, _runtime, _clone, _records, _workspace, _status, _watching, _cache, _remote, _origin,
    _servers,
)  # fmt: skip


def _counted(snapshot: Snapshot) -> str:
    count = len(snapshot.records)
    return f"{count} record{'' if count == 1 else 's'} at {str(snapshot.commit)[:7]}"


def _room(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    said = f"{free / 1e9:.1f} GB are free"
    if free < _LITTLE:
        return Finding("disk", Level.FAIL, said, "`reconciler gc --delete` may free some")
    if free < _DRAWN:
        return Finding("disk", Level.WARN, said, "`reconciler gc` lists what may go")
    return Finding("disk", Level.OK, said)


def _recent(subject: str, said: str, least: tuple[int, int], hint: str) -> Finding:
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < least:
        wanted = ".".join(map(str, least))
        return Finding(subject, Level.FAIL, f"{said}: {wanted} or newer is needed", hint)
    return Finding(subject, Level.OK, said)
