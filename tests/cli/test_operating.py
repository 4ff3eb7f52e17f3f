"""What a daemon is operated by is put together: log, events and probes for one block."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from urllib.request import urlopen

import pytest

from reconciler.adapters.git import Git
from reconciler.adapters.metrics import Metrics
from reconciler.cli.operating import Operated, operating
from reconciler.cli.options import LogFormat
from reconciler.cli.wiring import Site
from reconciler.controller.events import Decided, Served
from reconciler.controller.pulse import Pulse
from reconciler.controller.workspace import Workspace
from reconciler.errors import UsageError
from tests.conftest import Project

RELEASED = Decided("wine", "Released", "released: r2 0.9", good=True, version=3)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    plain = Project(tmp_path, tmp_path)
    plain.git("init", "-q")
    return plain


@pytest.fixture
def site(project: Project) -> Site:
    return Site(Git.open(project.root), Workspace(project.root))


def test_what_it_is_told_is_logged_and_kept_and_the_probes_answer(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    before = threading.active_count()
    pulse, metrics = Pulse(180), Metrics()
    with operating(site, Operated(LogFormat.JSON, port="0"), pulse, metrics) as listen:
        pulse.synced()
        metrics.committed()
        listen(RELEASED)
        said = capfd.readouterr().out
        while said.count("\n") < 2:
            said += capfd.readouterr().out
        probing, released = map(json.loads, said.splitlines())
        url = probing["message"].rpartition(" ")[2]
        with urlopen(f"{url}/readyz", timeout=5) as ready:
            assert json.load(ready)["ok"]
        with urlopen(f"{url}/metrics", timeout=5) as counted:
            assert b"reconciler_record_commits_total 1.0" in counted.read()
    assert (released["reason"], released["version"]) == ("Released", 3)
    assert [told.event for told in site.events()[1]] == ["Happened", "Decided"]
    for thread in threading.enumerate():
        if thread.daemon:
            thread.join(2)
    assert threading.active_count() == before


def test_what_is_told_is_counted(site: Site) -> None:
    metrics = Metrics()
    with operating(site, Operated(port="off"), Pulse(180), metrics) as listen:
        listen(Served("wine", "directory", "RolledOut", "is served"))
        listen(Served("wine", "directory", "Healed", "is whole again"))
        listen(Decided("wine", "Superseded", "training cut short", good=True))
        text = metrics.render()[1].decode()
    assert "reconciler_heals_total 1.0" in text
    assert "reconciler_trainings_superseded_total 1.0" in text


def test_probes_can_be_off(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    with operating(site, Operated(port="off"), Pulse(180), Metrics()) as listen:
        listen(RELEASED)
    assert capfd.readouterr().out.splitlines()[0].endswith("Z wine: released: r2 0.9")


@pytest.mark.parametrize("port", ["", "-1", "65536", "9" * 5000, "http", "\u0661", "1.0", "OFF "])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(UsageError, match="no port") as caught:
        Operated(port=port).number()
    assert "off" in caught.value.hint


def test_a_port_is_a_number_or_left_to_the_program() -> None:
    assert [Operated(port=port).number() for port in (None, "0", "9464", "65535")] == [
        None, 0, 9464, 65535,
    ]  # fmt: skip


def test_a_status_that_cannot_be_kept_stops_nothing(
    site: Site, project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(project.root / ".reconciler" / "status.db").mkdir(parents=True)
    with operating(site, Operated(port="off"), Pulse(180), Metrics()) as listen:
        listen(RELEASED)
    assert "wine: released" in capfd.readouterr().out
