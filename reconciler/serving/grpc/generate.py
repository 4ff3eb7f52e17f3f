"""Makes the `_pb2` modules of the two `.proto` files beside it; needs grpcio-tools.

python -m reconciler.serving.grpc.generate [FOLDER]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
_CHECK = re.compile(
    r"from google\.protobuf import runtime_version.*?\n|_runtime_version\.Validate.*?\n\)\n",
    re.DOTALL,
)


def generate(folder: Path) -> None:
    """Write the modules and their types into a folder; RuntimeError when a file is wrong."""
    from grpc_tools import protoc

    names = [path.name for path in sorted(HERE.glob("*.proto"))]
    ways = [f"--{kind}_out={folder}" for kind in ("python", "pyi")]
    if protoc.main(["protoc", f"--proto_path={HERE}", *ways, *names]):
        raise RuntimeError(f"the protocol compiler refuses {', '.join(names)}")
    for name in names:
        made = folder / name.replace(".proto", "_pb2.py")
        made.write_text(_own(made.read_text()))


def _own(code: str) -> str:
    """Return the code with a pool of its own, and without the check of protobuf's version.

    Clients register the same message names in the default pool, which refuses the second that
    comes; and the check would forbid every older protobuf, whose descriptors are no other.
    """
    found = _CHECK.sub("", code).replace("_pool.Default()", "_pool.DescriptorPool()")
    if "runtime_version" in found or "_pool.DescriptorPool()" not in found:
        raise RuntimeError("the generated code is not as expected")
    return found


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
