from __future__ import annotations

import pytest

from reconciler.errors import SpecError
from reconciler.pipeline.estimators import build

ONE_VERSUS_REST = "sklearn.multiclass.OneVsRestClassifier"
ALLOW = ("sklearn.",)


def test_an_estimator_that_needs_another_gets_it_by_its_import_path() -> None:
    given = {"estimator": "sklearn.linear_model.LogisticRegression", "estimator__C": 2.0}
    assert build(ONE_VERSUS_REST, given, ALLOW).estimator.C == 2.0


@pytest.mark.parametrize("given", [{}, {"estimator": "sklearn.svm.SVC", "nothing": 1}])
def test_one_that_is_not_complete_or_has_too_much_is_the_specs_fault(
    given: dict[str, object],
) -> None:
    with pytest.raises(SpecError):
        build(ONE_VERSUS_REST, given, ALLOW)
