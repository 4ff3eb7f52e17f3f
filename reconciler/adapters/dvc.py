"""DVC: the only module that runs it, always as a process, on its own command line and files."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.adapters import dvc_config, machine, room
from reconciler.adapters.cache import Cache
from reconciler.adapters.dvc_failures import failure
from reconciler.adapters.dvc_output import Progress, State, cause
from reconciler.adapters.dvc_program import KNOWN, argv, environment
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.process import Group, call, run
from reconciler.core.sizes import spoken
from reconciler.errors import SpecError, TerminalError, TransientError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.adapters.slots import Slot

    OnStage = Callable[[str, State, float], None]

#: Seconds between asking a run to end and ending it. A daemon that is told to stop waits for its
#: trainings 2.6 s: what is left by then would live on.
GRACE_S = 1.5
#: Seconds between two looks at the memory that a run takes.
_LOOK_S = 0.5
_TAIL_BYTES = 1 << 16
_REMOTE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run may take."""

    timeout_s: float | None = None
    """Seconds after which all of it is ended; None: never."""
    memory: int | None = None
    """Bytes that all of it may take together; None: as many as there are."""


UNBOUNDED = Bounds()


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What a run of a model's stages has left."""

    lock: dict[str, Any]
    """The slot's blocks of dvc.lock, by stage name (`train@housing`)."""
    ran: tuple[str, ...]
    """Names of the stages that ran, without the model; what DVC had is absent."""
    seconds: dict[str, float]
    """Seconds of each stage in `ran`."""


def repro(
    slot: Slot,
    model: str,
    stages: Sequence[str],
    log: Path,
    on_stage: OnStage,
    bounds: Bounds = UNBOUNDED,
    cancel: threading.Event | None = None,
    lock: Mapping[str, Any] | None = None,
    known: Iterable[Mapping[str, Any]] = (),
    *,
    needs_remote: bool = True,
    adopted: bool = False,
) -> Reproduced:
    """Bring the stages of one model up to date in a filled slot, as `dvc repro` does.

    What was computed before, here or in the user's own tree, comes from DVC's cache.

    Args:
        slot: A leased slot that holds the pipeline and the model's files.
        model: The model's name, the key of `foreach`.
        stages: Stage names without the model.
        log: Where everything that is printed goes.
        on_stage: Told of every stage: its name without the model, `running`, then `ran`; or
            `cached`; and the seconds it took.
        bounds: Time and memory that it may take: beyond them all of it is ended.
        cancel: Ends all of it once it is set.
        lock: Blocks of dvc.lock of an earlier run, by stage; where they still hold and their
            outputs are in the cache or on the remote, nothing runs.
        known: Further such blocks, of any run by anyone: their content decides which one holds.
        needs_remote: Whether a remote that cannot be asked is an error; else the run goes on
            without what it may have.
        adopted: Stages of the user's own come first; see `environment`.

    Raises:
        SpecError: dvc.yaml or params.yaml is wrong.
        TerminalError: A stage failed, ran out of time or memory, or its data is nowhere.
        TransientError: It was cancelled, the disk is full, DVC or its remote is busy.
    """
    remote = Remote(slot.root, cancel=cancel)
    cache = Cache(dvc_config.cache_dir(slot.root), remote.fetch)
    _link_inputs(slot.root, cache, cancel)
    _tell_known(slot.root, [*(lock or {}).values(), *known])
    suffix = f"@{model}"
    progress = Progress()

    def tell(events: Iterable[tuple[str, State, float]]) -> None:
        for name, state, seconds in events:
            on_stage(name.removesuffix(suffix), state, seconds)

    command = argv("repro", *(f"{stage}@{model}" for stage in stages))
    env = environment(needs_remote=needs_remote, adopted=adopted)
    group = Group.start(command, slot.root, env, log, record=slot.record)
    _finish(slot, group, log, progress, tell, bounds, cancel)
    tell(progress.end(time.monotonic()))
    seconds = {name.removesuffix(suffix): s for name, s in progress.seconds.items()}
    return Reproduced(_lock(slot.root), tuple(seconds), seconds)


def push(
    slot: Slot, stages: Iterable[str], log: Path, cancel: threading.Event | None = None
) -> None:
    """Copy what stages have left to the default remote, and their entries of the run-cache.

    All of it takes one process. Without a remote nothing is done.

    Args:
        slot: The slot that the stages were brought up to date in.
        stages: Names as dvc.lock has them (`train@housing`).
        log: Where everything that is printed goes.
        cancel: Ends all of it once it is set.

    Raises:
        TransientError: The remote failed, or it was cancelled.
        TerminalError: The remote cannot be used from here.
    """
    if Remote(slot.root).configured:
        command = argv("push", *stages)
        group = Group.start(command, slot.root, environment(), log, record=slot.record)
        _finish(slot, group, log, Progress(), lambda _: None, UNBOUNDED, cancel)


def _finish(
    slot: Slot,
    group: Group,
    log: Path,
    progress: Progress,
    tell: Callable[[Iterable[tuple[str, State, float]]], None],
    bounds: Bounds,
    cancel: threading.Event | None,
) -> None:
    """Wait for DVC in a slot; whatever happens, nothing of it goes on running."""
    try:
        _follow(group, progress, tell, bounds, cancel)
        code = group.finish()
    except BaseException:
        group.terminate(GRACE_S)
        raise
    finally:
        slot.forget()
    if code != 0:
        said = _tail(log, slot.root)
        error = failure(said, slot.root) or cause(said, code, log)
        if not isinstance(error, TransientError):  # a full disk is not always told of, or heard
            places = (log.parent, slot.root, dvc_config.cache_dir(slot.root))
            room.check((*places, Path(tempfile.gettempdir())))
        raise error


def initialise(root: Path) -> None:
    """Set DVC up at the top of a git repository; it stages what it writes, and commits nothing.

    Raises:
        TerminalError: DVC refuses.
    """
    done = run(argv("init"), root, environment())
    if done.code != 0:
        said = " ".join(done.stderr.decode(errors="replace").split()).removeprefix("ERROR: ")
        raise TerminalError(f"dvc init in {root}: {said}", reason="DvcFailed")


def _follow(
    group: Group,
    progress: Progress,
    tell: Callable[[Iterable[tuple[str, State, float]]], None],
    bounds: Bounds,
    cancel: threading.Event | None,
) -> None:
    began, looked, timeout_s = time.monotonic(), 0.0, bounds.timeout_s
    gauge = machine.Gauge(group.identity.pid, bounds.memory) if bounds.memory else None
    for line in group.lines():
        now = time.monotonic()
        if cancel is not None and cancel.is_set():
            raise TransientError("the run was cancelled", reason="Cancelled")
        if timeout_s is not None and now - began - progress.away(now) > timeout_s:
            where = progress.running or "DVC"
            raise TerminalError(
                f"{where} did not end within {timeout_s:g} s",
                reason="Timeout",
                hint="raise `spec.training.timeout`, or make the training smaller",
            )
        if gauge is not None and now - looked >= _LOOK_S:
            looked = now
            _check_memory(gauge, bounds, progress.running or "DVC")
        if line is not None:
            tell(progress.feed(line, now))


def _check_memory(gauge: machine.Gauge, bounds: Bounds, where: str) -> None:
    held = gauge.beyond()
    if held is not None:
        raise TerminalError(
            f"{where} took {spoken(held)} of memory, and {spoken(bounds.memory or 0)} are allowed",
            reason="OutOfMemory",
            hint="allow more with `--memory`, or make the training smaller",
        )


def _link_inputs(root: Path, cache: Cache, cancel: threading.Event | None) -> None:
    """Make the data of every `.dvc` file in the slot appear beside it."""
    pointers = [path for path in sorted(root.rglob("*.dvc")) if path.is_file()]
    outs = [(pointer, out) for pointer in pointers for out in _outs(pointer, root)]
    cache.bring(str(out["md5"]) for _, out in outs if _linked(out))
    for pointer, out in outs:
        path = _place(pointer, out, root)
        if _linked(out):
            _link(cache, str(out["md5"]), path, root)
        elif not path.exists():
            _checkout(pointer, path, root, cancel)


def _linked(out: Mapping[str, Any]) -> bool:
    """Return whether the cache itself can tell where the content is."""
    return out.get("hash") == "md5" and "md5" in out


def _place(pointer: Path, out: Mapping[str, Any], root: Path) -> Path:
    named = pointer.parent / str(out.get("wdir", "")) / str(out.get("path", ""))
    path = Path(os.path.normpath(named))
    if path == root or not path.parent.resolve().is_relative_to(root.resolve()):
        raise SpecError(
            f"{pointer.relative_to(root)} names a path outside of the repository",
            reason="PathEscapes",
        )
    return path


def _outs(pointer: Path, root: Path) -> list[dict[str, Any]]:
    name = str(pointer.relative_to(root))
    data = _yaml(pointer, name)
    outs = data.get("outs") if isinstance(data, dict) else None
    if not isinstance(outs, list) or not all(isinstance(out, dict) for out in outs):
        raise SpecError(
            f"{name} is no file of DVC's: it lists no `outs`",
            reason="InvalidPointer",
            hint="restore it from git, or `dvc add` the data again",
        )
    return [{**out, "wdir": data.get("wdir", "")} for out in outs]


def _link(cache: Cache, md5: str, path: Path, root: Path) -> None:
    try:
        cache.link(md5, path)
    except TerminalError as error:
        raise TerminalError(
            f"{path.relative_to(root)}: {error.message}", reason=error.reason, hint=error.hint
        ) from error


def _checkout(pointer: Path, path: Path, root: Path, cancel: threading.Event | None) -> None:
    """Let DVC itself bring data that it tracks in another way: by an older hash, or a version."""
    name = str(pointer.relative_to(root))
    for command in ("checkout", "pull"):
        call(argv(command, name), root, environment(), _REMOTE_S, cancel)
        if path.exists():
            return
    raise TerminalError(
        f"{path.relative_to(root)} is neither in DVC's cache nor on its remote",
        reason="DataMissing",
        hint="run `dvc push` where the data is, then `dvc pull` here",
    )


def _tell_known(root: Path, blocks: Sequence[Mapping[str, Any]]) -> None:
    """Leave for DVC what is known of earlier results."""
    path = root / KNOWN
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(blocks), encoding="utf-8")


def _lock(root: Path) -> dict[str, Any]:
    path = root / "dvc.lock"
    if not path.exists():
        return {}
    data = _yaml(path, "dvc.lock")
    stages = data.get("stages") if isinstance(data, dict) else None
    return dict(stages) if isinstance(stages, dict) else {}


def _yaml(path: Path, name: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(path.read_bytes())
    except YAMLError as error:
        problem = " ".join(str(error).split())
        raise SpecError(f"{name} is not YAML: {problem}", reason="InvalidPointer") from error


def _tail(log: Path, root: Path) -> tuple[str, ...]:
    """Return the last lines of a log, with paths as the user knows them."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return tuple(text.replace(f"{root}/", "").splitlines())
