"""params.yaml: freeze windows and the guard's limits, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from reconciler.adapters import catalogue as catalogues
from reconciler.core.fingerprint import Contents, fingerprint
from reconciler.spec.params import FreezeWindow, Params
from reconciler.spec.reading import read_params, read_spec
from tests.conftest import ROOT, spec

WINDOW = "{kind: deny, cron: '0 17 * * FRI', duration: 60h, timezone: Europe/Berlin}"


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read_params(text.encode()).problems]


def test_windows_and_limits_are_read_with_their_defaults() -> None:
    params = read_params(f"freeze: [{WINDOW}]\nguard: {{count: 3}}\n".encode()).params
    assert params is not None
    (window,) = params.freeze
    assert (window.kind, window.duration, window.models) == ("deny", "60h", ())
    assert (params.guard.share, params.guard.count) == (0.5, 3)
    assert FreezeWindow(kind="allow", cron="0 9 * * *", duration="1h").timezone == "UTC"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("deny", "forbid"), "freeze[0].kind: found 'forbid', wanted one of allow, deny"),
        (("0 17 * * FRI", "0 17 * *"), "freeze[0].cron: found '0 17 * *', wanted cron of five"),
        (("0 17", "0 0 17"), "freeze[0].cron: found '0 0 17 * * FRI', wanted cron of five fields"),
        (("17 * * FRI", "25 * * FRI"), "found '0 25 * * FRI', wanted cron: bad hour"),
        (("17 * * FRI", "0 30 2 *"), "found '0 0 30 2 *', wanted cron: bad day-of-month"),
        (("'0 17 * * FRI'", "5"), "freeze[0].cron: found 5, wanted a text (quote it)"),
        (("60h", "0h"), "found '0h', wanted a duration such as 90s, 30m, 8h or 2d"),
        (("60h", "400d"), "freeze[0].duration: found '400d', wanted a year at most"),
        (("Europe/Berlin", "Europe/Berln"), "wanted a time zone (did you mean Europe/Berlin"),
        (("Europe/Berlin", "../etc/passwd"), "found '../etc/passwd', wanted a time zone"),
        (("Europe/Berlin", "Europe"), "freeze[0].timezone: found 'Europe', wanted a time zone"),
        (("kind: deny, ", ""), "freeze[0].kind: is missing"),
        (("timezone", "zone"), "freeze[0].zone: there is no such key (did you mean timezone?)"),
    ],
)
def test_a_wrong_window_is_told_with_its_place(change: tuple[str, str], said: str) -> None:
    (found,) = problems(f"freeze:\n  - {WINDOW.replace(*change)}\n")
    assert found.startswith("params.yaml:2:")
    assert said in found


def test_every_problem_of_every_window_is_told_at_once() -> None:
    wrong = "{kind: deny, cron: x, duration: 400d, timezone: Nowhere}"
    found = problems(f"freeze:\n  - {wrong}\n  - {WINDOW}\n  - {wrong}\n  - 7\n")
    assert [line.split(":")[1] for line in found] == ["2", "2", "2", "4", "4", "4", "5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("freeze: always\n", "freeze: found 'always', wanted a list"),
        ("guard: 5\n", "guard: found 5, wanted a mapping"),
        ("guard: {share: 1.5}\n", "guard.share: found 1.5, wanted a number of at most 1"),
        ("guard: {count: -1}\n", "guard.count: found -1, wanted a number of at least 0"),
        ("guard: {count: yes}\n", "guard.count: found 'yes', wanted a whole number"),
        ("guard: {part: 0.5}\n", "guard.part: there is no such key"),
    ],
)
def test_wrong_settings_are_told(text: str, said: str) -> None:
    (found,) = problems(text)
    assert said in found


def test_neither_windows_nor_limits_decide_an_artifact() -> None:
    catalogue = catalogues.load(ROOT / "tests")
    plain = Params.model_validate({"runtime": {"numpy": "2"}})
    full = plain.model_copy(
        update={"freeze": (FreezeWindow(kind="deny", cron="* * * * *", duration="1h"),)}
    )
    model = read_spec(spec("m").encode(), "specs/m.yaml", plain, catalogue).spec
    assert model is not None
    contents = Contents(None, {})
    assert fingerprint(model, plain, contents, {}) == fingerprint(model, full, contents, {})
