"""GitHub: comments on a pull request, through the REST API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from reconciler.adapters.comments.http import Api
from reconciler.errors import UsageError

#: Who posts with the token that a workflow is given.
_AUTHOR = "github-actions[bot]"
_NEEDS = "give the job `permissions: {contents: read, pull-requests: write}`"


class GitHub:
    """The pull request that a workflow builds.

    Args:
        api: The REST API, below `repos/<owner>/<name>`.
        number: The pull request.
        author: Whose comments are ours: nobody else's is ever replaced.
    """

    limit = 65_536

    def __init__(self, api: Api, number: int, author: str) -> None:
        self._api = api
        self._number = number
        self._author = author

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> GitHub:
        """Return the pull request of the event that started the workflow.

        Raises:
            UsageError: It was started by something else, or there is no token.
        """
        number = _number(env.get("GITHUB_EVENT_PATH"))
        token = env.get("GITHUB_TOKEN")
        if not token:
            raise UsageError("GITHUB_TOKEN is not set", reason="NoToken", hint=_NEEDS)
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        base = env.get("GITHUB_API_URL", "https://api.github.com")
        api = Api(f"{base}/repos/{env.get('GITHUB_REPOSITORY', '')}", headers, _NEEDS)
        return cls(api, number, env.get("RECONCILER_COMMENT_AUTHOR") or _AUTHOR)

    def find(self, marker: str) -> str | None:
        """Return the path of our comment that begins with `marker`; None: there is none."""
        for comment in self._api.pages(f"issues/{self._number}/comments"):
            ours = (comment.get("user") or {}).get("login") == self._author
            if ours and str(comment.get("body") or "").startswith(marker):
                return f"issues/comments/{int(comment['id'])}"
        return None

    def create(self, body: str) -> None:
        """Post a comment."""
        self._api.send("POST", f"issues/{self._number}/comments", {"body": body})

    def update(self, address: str, body: str) -> None:
        """Replace a comment's text."""
        self._api.send("PATCH", address, {"body": body})


def _number(path: str | None) -> int:
    """Return the pull request's number from the file that describes the event."""
    try:
        event = json.loads(Path(path or "").read_bytes())
        return int(event["pull_request"]["number"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "this workflow was not started by a pull request",
            reason="NoPullRequest",
            hint="run it `on: pull_request`",
        ) from error
