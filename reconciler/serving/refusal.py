"""Refusals: why a request gets no answer, with the status that says so over HTTP."""

from __future__ import annotations

from reconciler.errors import ReconcilerError

BUSY = "Busy"


class Refused(ReconcilerError):  # noqa: N818  a refusal, as often as not no error of anybody's
    """A request that is not answered.

    Args:
        status: Of HTTP, such as 404.
        message: What is wrong, as a sentence.
        reason: One CamelCase word for machines and metrics, such as `NoSuchModel`.
        hint: What to do about it.
        headers: Of HTTP, that go with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str,
        hint: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message, reason=reason, hint=hint)
        self.status = status
        self.bearer = ""
        """Whose request it was, by the name of a token, where the door knew."""
        self.headers = headers


def no_such_model(model: str) -> Refused:
    """Return the refusal of a model that nobody has released."""
    return Refused(404, f"there is no model {model!r:.80}", reason="NoSuchModel")


def no_such_version(model: str, version: str) -> Refused:
    """Return the refusal of a version that is not served now."""
    message = f"version {version!r:.40} of {model} is not served"
    return Refused(404, message, reason="NoSuchVersion")


def not_ready(message: str) -> Refused:
    """Return the refusal of what is not loaded, or not yet."""
    return Refused(503, message, reason="NotReady", hint="try again in a moment")


def timed_out(limit_s: float) -> Refused:
    """Return the refusal of what takes longer than it may."""
    return Refused(504, f"there was no answer within {limit_s:g} s", reason="TimedOut")


def busy() -> Refused:
    """Return the refusal of what would wait behind too much else."""
    return Refused(503, "too many requests are waiting", reason=BUSY, hint="try again later")


def broken() -> Refused:
    """Return the refusal of what met a bug of ours."""
    return Refused(500, "the server has made a mistake: its log says which", reason="Bug")
