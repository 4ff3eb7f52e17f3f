"""`gc`: lists what nothing needs any more, and deletes it when told to."""

from __future__ import annotations

import json
import sys
import time

from reconciler.adapters import dvc_config
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.slots import SlotPool
from reconciler.cli.options import Plain
from reconciler.cli.wiring import Site, open_site
from reconciler.controller.garbage import Collector, Garbage, Heap
from reconciler.core.sizes import spoken
from reconciler.errors import UsageError
from reconciler.spec.model import seconds


def run(
    *, delete: bool, older_than: str, retired: bool, shared: bool, remote: bool, output: Plain
) -> int:
    """Return 0 once everything is listed, or deleted."""
    site = open_site()
    collector = _collector(site, older_than, retired=retired, shared=shared, remote=remote)
    if not delete:
        _show(collector.scan(), output, deleted=False)
        _notes(site, collector, output)
        return 0
    with site.workspace.alone():
        garbage = collector.scan()
        collector.delete(garbage)
        for name in garbage.retired:
            site.status.forget(name)
    _show(garbage, output, deleted=True)
    _notes(site, collector, output)
    return 0


def _collector(
    site: Site, older_than: str, *, retired: bool, shared: bool, remote: bool
) -> Collector:
    try:
        age = 0.0 if older_than == "0" else seconds(older_than)
    except ValueError as error:
        raise UsageError(
            f"--older-than {older_than}: not a duration", hint="such as 12h, 7d, or 0"
        ) from error
    cache = dvc_config.cache_dir(site.root)
    own = cache.resolve().is_relative_to(site.root.resolve())
    return Collector(
        git=site.git,
        store=site.store,
        fleet=site.fleet("HEAD"),
        workspace=site.workspace,
        slots=SlotPool(site.workspace.slots, 1, site.root),
        cache=cache if own or shared else None,
        before=time.time() - age,
        retired=retired,
        remote=_remote(site) if remote else None,
    )


def _remote(site: Site) -> Remote:
    remote = Remote(site.root)
    if not remote.configured:
        raise UsageError("there is no default DVC remote", hint="`dvc remote add -d NAME URL`")
    return remote


def _show(garbage: Garbage, output: Plain, *, deleted: bool) -> None:
    if output is Plain.JSON:
        sys.stdout.write(json.dumps(_plain(garbage, deleted=deleted), indent=2) + "\n")
        return
    lines = [_line(heap) for heap in garbage.heaps if heap.items]
    for name, numbers in garbage.versions.items():
        lines.append(f"versions   {name}: {', '.join(map(str, numbers))}")
    lines += [f"record     {name}: retired" for name in garbage.retired]
    if garbage.remote:
        lines.append(
            f"remote     {garbage.remote:>7,} objects           content that nothing names"
        )
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    size = spoken(sum(heap.size for heap in garbage.heaps))
    if not lines:
        sys.stdout.write("Nothing to delete.\n")
    elif deleted:
        sys.stdout.write(f"Deleted: {size}.\n")
    else:
        sys.stdout.write(f"Nothing was deleted; `reconciler gc --delete` frees {size}.\n")


def _notes(site: Site, collector: Collector, output: Plain) -> None:
    if output is Plain.TEXT and collector.cache is None:
        place = dvc_config.cache_dir(site.root)
        sys.stderr.write(
            f"note: {place} is outside of the repository and may be shared: left alone"
            " (--shared-cache: only this repository uses it)\n"
        )


def _line(heap: Heap) -> str:
    noun = "item" if len(heap.items) == 1 else "items"
    return f"{heap.kind:<10} {len(heap.items):>7,} {noun:<5} {spoken(heap.size):>9}   {heap.why}"


def _plain(garbage: Garbage, *, deleted: bool) -> dict[str, object]:
    return {
        "deleted": deleted,
        "heaps": [
            {
                "kind": heap.kind,
                "why": heap.why,
                "bytes": heap.size,
                "paths": [str(item.path) for item in heap.items],
            }
            for heap in garbage.heaps
        ],
        "versions": {name: list(numbers) for name, numbers in garbage.versions.items()},
        "retired": list(garbage.retired),
        "kept": len(garbage.kept),
        "absent": list(garbage.absent),
        "remote": garbage.remote,
    }
