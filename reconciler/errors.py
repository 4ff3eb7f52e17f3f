"""Errors by consequence: the class says who or what the way forward waits for."""

from __future__ import annotations


class ReconcilerError(Exception):
    """Something a person can act on: never shown as a traceback.

    Args:
        message: What is wrong and where: the thing, what was found, what was wanted.
        reason: One CamelCase word for machines, such as `DataMissing`.
        hint: The next step, as a sentence; empty when there is none to give.
    """

    default_reason = "Error"

    def __init__(self, message: str, *, reason: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class SpecError(ReconcilerError):
    """What was committed is wrong: it waits for a commit."""

    default_reason = "InvalidSpec"


class TransientError(ReconcilerError):
    """The world is not ready (a lock, a remote, a full disk): it waits for time."""

    default_reason = "NotReady"


class TerminalError(ReconcilerError):
    """Trying again gives the same result: it waits for a person."""

    default_reason = "Failed"


class UsageError(ReconcilerError):
    """The command was asked for something that does not exist: it waits for the caller."""

    default_reason = "Usage"
