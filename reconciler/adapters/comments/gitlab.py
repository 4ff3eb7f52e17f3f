"""GitLab: notes on a merge request, through the REST API."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.adapters.comments.http import Api
from reconciler.errors import UsageError

#: The job's own token may not write notes, so a project access token stands in for it.
_TOKEN = "RECONCILER_GITLAB_TOKEN"  # noqa: S105 - a name, not a secret
_NEEDS = f"set the masked variable {_TOKEN} to a project access token: role Reporter, scope api"


class GitLab:
    """The merge request that a pipeline builds.

    Args:
        api: The REST API.
        path: The merge request, below the API's address.
    """

    limit = 1_000_000

    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._path = path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> GitLab:
        """Return the merge request of the pipeline.

        Raises:
            UsageError: The pipeline is not one of a merge request, or there is no token.
        """
        number = env.get("CI_MERGE_REQUEST_IID", "")
        if not number.isdecimal():
            raise UsageError(
                "this pipeline was not started by a merge request",
                reason="NoPullRequest",
                hint="run the job for `merge_request_event` pipelines",
            )
        if not (token := env.get(_TOKEN)):
            raise UsageError(f"{_TOKEN} is not set", reason="NoToken", hint=_NEEDS)
        base = env.get("CI_API_V4_URL", "https://gitlab.com/api/v4")
        api = Api(base, {"PRIVATE-TOKEN": token}, _NEEDS)
        return cls(api, f"projects/{env.get('CI_PROJECT_ID', '')}/merge_requests/{number}")

    def find(self, marker: str) -> str | None:
        """Return the path of our note that begins with `marker`; None: there is none."""
        me = self._api.get("user")["id"]
        for note in self._api.pages(f"{self._path}/notes"):
            ours = (note.get("author") or {}).get("id") == me and not note.get("system")
            if ours and str(note.get("body") or "").startswith(marker):
                return f"{self._path}/notes/{int(note['id'])}"
        return None

    def create(self, body: str) -> None:
        """Post a note."""
        self._api.send("POST", f"{self._path}/notes", {"body": body})

    def update(self, address: str, body: str) -> None:
        """Replace a note's text."""
        self._api.send("PUT", address, {"body": body})
