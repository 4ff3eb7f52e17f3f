"""Every path of `/openapi.json` asked what the document allows, and what it does not.

    python -m tests.serving.fuzzing [EXAMPLES]

Prints how each path answered; exits 1 where an answer is none that the document promises.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from reconciler.serving.app import App
from tests.serving.shops import open_bench

EXAMPLES = 200


def fuzz(app: App, examples: int) -> dict[str, Counter[int]]:
    """Ask each path so often with good data and with bad, and return the statuses by path.

    Raises:
        Exception: An answer breaks a promise: a 500, a status, type or header that is not
            listed, a body of another form, good data that are refused or bad ones that are not.
    """
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    statuses: dict[str, Counter[int]] = {}
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # an invalid document raises
        counted = statuses[operation.label] = Counter()
        # the names and shapes of tensors are the model's: good ones are not to be had by chance
        unfit = [positive_data_acceptance] if operation.path.endswith("/infer") else []
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _ask(operation.as_strategy(generation_mode=mode), examples, counted, unfit)
    return statuses


def _ask(cases: Any, examples: int, counted: Counter[int], unfit: list[Any]) -> None:
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases)
    def ask(case: Case[Any]) -> None:
        answer = case.call()
        counted[answer.status_code] += 1
        case.validate_response(answer, excluded_checks=unfit)

    try:
        ask()
    except Unsatisfiable:  # a path that takes nothing has no bad data
        assert not counted.total() or set(counted) == {200}


def main() -> int:
    """Fuzz for long, and say how it went."""
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    with open_bench() as bench:
        for label, counted in fuzz(bench.app, examples).items():
            print(f"{label}: {', '.join(f'{n} x {status}' for status, n in counted.items())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
