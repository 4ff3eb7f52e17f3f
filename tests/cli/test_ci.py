"""The CI templates: their own scripts, run against a repository and a stand-in for the host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, Project, Specify

pytestmark = pytest.mark.slow

MARKER = "<!-- reconciler-plan -->"


@dataclass
class Stub:
    """A host of pull requests that remembers comments, and what it was asked."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    status: int = 200

    def add(self, body: str, **who: object) -> None:
        self.comments.append({"id": 100 + len(self.comments), "body": body, **who})


@pytest.fixture
def host() -> Iterator[Stub]:
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            token = self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN") or ""
            stub.asked.append((self.command, path, token))
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else {}
            value: Any = {"id": 7}
            if self.command == "GET" and path.endswith(("/comments", "/notes")):
                page = int(re.findall(r"[?&]page=(\d+)", f"?{query}")[0])
                value = stub.comments[100 * (page - 1) : 100 * page]
            elif self.command == "POST":
                me = {"user": {"login": "github-actions[bot]"}, "author": {"id": 7}}
                stub.add(sent["body"], **me)
            elif self.command in ("PATCH", "PUT"):
                (found,) = (c for c in stub.comments if path.endswith(f"/{c['id']}"))
                found["body"] = sent["body"]
            text = json.dumps(value).encode()
            self.send_response(stub.status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815  the library's names

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield stub
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Change:
    """A pull request: a clone at its head, and where it would be merged."""

    project: Project
    base: str
    head: str
    scratch: Path

    def github(self, host: Stub, **inputs: str) -> tuple[int, str]:
        """Run the steps of action.yml as a runner would; return the job's code and its output."""
        action = YAML(typ="safe").load((ROOT / "action.yml").read_text())
        event = self.scratch / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 5, "base": {"sha": self.base}}}))
        summary = self.scratch / "summary.md"
        known = {
            "github.token": "s3cret",
            "github.event.pull_request.base.sha": self.base,
            **{f"inputs.{name}": value["default"] for name, value in action["inputs"].items()},
            **{f"inputs.{name}": value for name, value in inputs.items()},
        }
        env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": host.url,
            "GITHUB_REPOSITORY": "acme/models",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(self.scratch),
        }
        code, said = 0, ""
        for step in action["runs"]["steps"][1:]:  # the first installs what is installed here
            extra = {key: _filled(value, known) for key, value in step.get("env", {}).items()}
            done = self._bash(step["run"], {**env, **extra})
            code, said = code or done.returncode, said + done.stdout + done.stderr
        return code, said

    def gitlab(self, host: Stub, token: str | None = "s3cret") -> tuple[int, str]:
        """Run the script of the job as a runner would."""
        job = YAML(typ="safe").load((ROOT / "ci" / "gitlab.yml").read_text())["reconciler"]
        env = {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": host.url,
            "CI_PROJECT_ID": "12",
            "CI_MERGE_REQUEST_IID": "5",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.base,
            "CI_COMMIT_SHA": self.head,
            **({"RECONCILER_GITLAB_TOKEN": token} if token else {}),
        }
        done = self._bash("\n".join(job["script"]), env)
        return done.returncode, done.stdout + done.stderr

    def _bash(self, script: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        bash = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
        environment = {**self.project.env, **env}
        environment.pop("COLUMNS")
        return subprocess.run(
            bash, cwd=self.project.root, env=environment, capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip


def _filled(value: str, known: Mapping[str, str]) -> str:
    """Return a value with its expressions replaced, as far as the action uses them."""
    found = re.fullmatch(r"\$\{\{ (.+) \}\}", value)
    if found is None:
        return value
    return _filled(known[found[1]], known)


@pytest.fixture
def change(project: Project, specify: Specify, tmp_path: Path) -> Change:
    """Return a clone at a pull request that adds one model."""
    project.write("specs/old.yaml", specify("old"))
    project.reconciler("compile")
    base = project.commit()
    project.write("specs/new.yaml", specify("new", hyperparameters={"alpha": 2.0}))
    project.reconciler("compile")
    head = project.commit()
    clone = Project(tmp_path / "clone", tmp_path / "home")
    project.git("clone", "-q", str(project.root), str(clone.root))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Change(clone, base, head, scratch)


def bodies(host: Stub) -> list[str]:
    return [c["body"] for c in host.comments if c["body"].startswith(MARKER)]


def test_github_gets_one_comment_that_is_updated_from_then_on(change: Change, host: Stub) -> None:
    for _ in range(2):
        code, said = change.github(host)
        assert code == 0, said
    (body,) = bodies(host)
    assert "new" in body
    assert [verb for verb, _, __ in host.asked] == ["GET", "POST", "GET", "PATCH"]
    assert {token for _, __, token in host.asked} == {"Bearer s3cret"}
    assert body.strip() in (change.scratch / "summary.md").read_text()


def test_gitlab_gets_one_note_that_is_updated_from_then_on(change: Change, host: Stub) -> None:
    for _ in range(2):
        code, said = change.gitlab(host)
        assert code == 0, said
    (body,) = bodies(host)
    assert "new" in body
    verbs = [verb for verb, _, __ in host.asked]
    assert verbs == ["GET", "GET", "POST", "GET", "GET", "PUT"]


def test_a_comment_of_somebody_else_is_never_replaced(change: Change, host: Stub) -> None:
    for n in range(120):
        host.add(f"{MARKER}\nnot ours {n}", user={"login": "mallory"}, author={"id": 666})
    assert change.github(host)[0] == 0
    assert sum("not ours" in body for body in bodies(host)) == 120
    assert len(bodies(host)) == 121
    assert change.github(host)[0] == 0
    assert len(bodies(host)) == 121, "ours is found on the second page"


def test_an_invalid_spec_fails_the_job_and_is_commented_all_the_same(
    change: Change, host: Stub
) -> None:
    change.project.edit("specs/new.yaml", "Ridge", "Rigde")
    change.project.commit()
    code, said = change.github(host)
    assert code == 1
    assert "::error file=specs/new.yaml,line=" in said
    assert "Rigde" in bodies(host)[0]


def test_a_refusal_names_the_right_that_is_missing_and_not_the_token(
    change: Change, host: Stub
) -> None:
    host.status = 403
    code, said = change.github(host)
    assert code == 1
    assert "pull-requests: write" in said
    assert "s3cret" not in said
    assert "Traceback" not in said
    code, said = change.gitlab(host)
    assert code == 1
    assert "RECONCILER_GITLAB_TOKEN" in said
    assert "s3cret" not in said


def test_without_a_token_gitlab_shows_the_plan_in_its_log(change: Change, host: Stub) -> None:
    code, said = change.gitlab(host, token=None)
    assert code == 0, said
    assert MARKER in said
    assert host.asked == []


def test_a_name_of_a_model_is_data_to_the_script(change: Change, host: Stub) -> None:
    stray = change.scratch / "stray"
    change.github(host, models=f"new $(touch {stray}) ; touch {stray}")
    assert not stray.exists()


def test_a_token_is_not_sent_in_the_clear(project: Project, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 1}}))
    plan = tmp_path / "plan.md"
    plan.write_text(f"{MARKER}\n")
    project.env |= {
        "GITHUB_ACTIONS": "true",
        "GITHUB_TOKEN": "s3cret",
        "GITHUB_EVENT_PATH": os.fspath(event),
        "GITHUB_API_URL": "http://192.0.2.1",
    }
    done = project.reconciler("comment", str(plan), check=False)
    assert done.returncode == 2
    assert "https" in done.stderr


def test_outside_of_ci_comment_says_how_to_read_the_plan(project: Project, tmp_path: Path) -> None:
    plan = tmp_path / "plan.md"
    plan.write_text(f"{MARKER}\n")
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        project.env.pop(name, None)
    done = project.reconciler("comment", str(plan), check=False)
    assert done.returncode == 2
    assert "--output markdown" in done.stderr


def test_the_action_asks_for_no_more_than_it_needs() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    workflow = YAML(typ="safe").load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    action = YAML(typ="safe").load((ROOT / "action.yml").read_text())
    scripts = [step["run"] for step in action["runs"]["steps"]]
    assert not any("${{" in script for script in scripts), "expressions in scripts are injectable"
