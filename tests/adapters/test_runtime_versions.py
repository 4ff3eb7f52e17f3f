"""Runtime: versions come from metadata, without importing a library."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys

from reconciler.adapters.runtime import installed


def test_versions_are_those_that_are_installed() -> None:
    found = installed(["numpy", "python", "no-such-library"])
    expected = {"numpy": importlib.metadata.version("numpy"), "python": platform.python_version()}
    assert found == expected


def test_asking_for_a_version_imports_nothing_of_it() -> None:
    script = (
        "import sys; from reconciler.adapters.runtime import installed;"
        "installed(['scikit-learn', 'numpy']); print('numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
