"""Comments on a pull request: one of ours per marker, posted once and updated from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from reconciler.adapters.comments.github import GitHub
from reconciler.adapters.comments.gitlab import GitLab
from reconciler.errors import UsageError


class Host(Protocol):
    """Where a pull request is discussed."""

    limit: int
    """Characters that a comment may have."""

    def find(self, marker: str) -> str | None:
        """Return the address of our own comment that begins with `marker`; None: there is none."""
        ...

    def create(self, body: str) -> None:
        """Post a comment."""
        ...

    def update(self, address: str, body: str) -> None:
        """Replace a comment's text."""
        ...


def from_environment(env: Mapping[str, str]) -> Host:
    """Return the host whose CI runs this process, as its variables tell.

    Raises:
        UsageError: It is none that is known, or no pull request is being built.
    """
    if env.get("GITHUB_ACTIONS") == "true":
        return GitHub.from_environment(env)
    if env.get("GITLAB_CI") == "true":
        return GitLab.from_environment(env)
    raise UsageError(
        "neither GitHub Actions nor GitLab CI runs this",
        reason="NoHost",
        hint="read the plan with `reconciler plan --output markdown`",
    )


def post(host: Host, body: str) -> str:
    """Post `body`, or put it in place of the comment that begins with the same line.

    Args:
        host: Where.
        body: Markdown; its first line is an HTML comment, which marks the comment as ours.

    Returns:
        `posted` or `updated`.

    Raises:
        UsageError: The text has no marker, or is too long for the host.
        TransientError: The host cannot be reached.
        TerminalError: The host refuses.
    """
    marker = body.partition("\n")[0].strip()
    if not (marker.startswith("<!--") and marker.endswith("-->")):
        raise UsageError(
            f"the first line is {marker!r:.60}, not a marker such as `<!-- name -->`",
            reason="NoMarker",
            hint="give a file that `reconciler plan --output markdown` wrote",
        )
    if len(body) > host.limit:
        raise UsageError(
            f"{len(body):,} characters are more than the {host.limit:,} that a comment may have",
            reason="TooLong",
        )
    address = host.find(marker)
    if address is None:
        host.create(body)
        return "posted"
    host.update(address, body)
    return "updated"
