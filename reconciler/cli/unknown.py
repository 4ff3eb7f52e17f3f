"""The answer to a name that no model has: the nearest ones, or a few of those there are."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.errors import UsageError

_LISTED = 10


def unknown(name: str, known: Iterable[str]) -> UsageError:
    """Return the error that no model is called `name`, with those that it may have meant."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(name, names, 3, 0.5)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    hint = f"nearest: {', '.join(near)}" if near else f"there are: {', '.join(names[:_LISTED])}"
    if not names:
        hint, more = "there is none yet: declare one in specs/ and commit it", ""
    return UsageError(
        f"no model is called {name}", reason="UnknownModel", hint=hint if near else hint + more
    )
