"""The types that a native bundle may hold beyond skops' own list: reviewed, and nothing more.

Every name here was read for what its construction runs. skops restores an object by `__new__`
and its attributes, or by the reduced arguments of an extension type; none of these opens a file,
starts a process or imports by name.
"""

from __future__ import annotations

TRUSTED = (
    # scikit-learn's fitted state that is not an estimator
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
