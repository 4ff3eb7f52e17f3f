"""The form of a bundle: one number, which modules that open none also need."""

from __future__ import annotations

#: The version of the bundle's layout. A change retrains: it is part of what decides a model.
FORMAT = 1
