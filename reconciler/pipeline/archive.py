"""skops archives with the same bytes every time: no clock, no addresses of objects."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can state
_SCHEMA = "schema.json"
#: Attributes in which scikit-learn remembers the address of an object; None makes it look again.
_ADDRESSES = frozenset({"_stop_words_id"})


def dumps(model: Any) -> bytes:
    """Return `model` as a skops archive that depends on nothing but its content."""
    import skops.io

    return normalised(skops.io.dumps(model))


def normalised(archive: bytes) -> bytes:
    """Return a skops archive with times fixed and objects numbered in order of appearance.

    skops names objects and their files by address. Plain values are shared by accident of the
    interpreter (every None is one object), so they lose their names; others keep their sharing.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        files = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(files.pop(_SCHEMA))
    renamed: dict[str, str] = {}
    _number(schema, {}, renamed)
    members = {renamed.get(name, name): content for name, content in files.items()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as copy:
        for name in sorted(members):
            copy.writestr(zipfile.ZipInfo(name, _EPOCH), members[name])
        text = json.dumps(schema, separators=(",", ":"))
        info = zipfile.ZipInfo(_SCHEMA, _EPOCH)
        copy.writestr(info, text, compress_type=zipfile.ZIP_DEFLATED, compresslevel=6)
    return target.getvalue()


def _number(node: Any, numbers: dict[int, int], renamed: dict[str, str]) -> None:
    """Number the objects of a schema in place, depth first, and rename their files."""
    if isinstance(node, list):
        for item in node:
            _number(item, numbers, renamed)
    if not isinstance(node, dict):
        return
    for name in _ADDRESSES.intersection(node):
        node[name]["content"] = "null"
    if node.get("is_json"):
        node.pop("__id__", None)
    elif "__id__" in node:
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
    if isinstance(file := node.get("file"), str):
        suffix = file.rpartition(".")[2]
        node["file"] = renamed.setdefault(file, f"{len(renamed) + 1:06d}.{suffix}")
    for item in node.values():
        _number(item, numbers, renamed)
