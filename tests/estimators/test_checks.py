"""Every check that the installed scikit-learn has for an estimator."""

import os
import subprocess
import sys

import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import (  # noqa: E402
    check_estimator,
    estimator_checks_generator,
    parametrize_with_checks,
)

from handgrad.sklearn import NetworkClassifier, NetworkRegressor  # noqa: E402

ESTIMATORS = [NetworkClassifier(), NetworkRegressor()]
COUNTS = list(zip(ESTIMATORS, [68, 61], strict=True))  # of scikit-learn 1.9
BY_SCIPY = "check_array_api_input"  # runs where SciPy was imported with SCIPY_ARRAY_API
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::sklearn.exceptions.DataConversionWarning"
)


def name_of(check):
    return getattr(check, "func", check).__name__


@parametrize_with_checks(ESTIMATORS)
def test_check(estimator, check):
    if name_of(check) == BY_SCIPY and not os.environ.get("SCIPY_ARRAY_API"):
        return  # test_the_check_of_array_libraries has it
    check(estimator)


@pytest.mark.parametrize(("estimator", "count"), COUNTS)
def test_how_many_there_are(estimator, count):
    checks = [name_of(check) for _, check in estimator_checks_generator(estimator)]
    assert BY_SCIPY in checks
    if sklearn.__version__.startswith("1.9."):
        assert len(checks) == count
    assert len(checks) > 50


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "count"), COUNTS)
def test_check_estimator(estimator, count):
    results = check_estimator(estimator, on_skip=None)
    assert {result["status"] for result in results if result["check_name"] != BY_SCIPY} == {"passed"}
    assert len(results) == count or not sklearn.__version__.startswith("1.9.")


def test_the_check_of_array_libraries():
    pytest.importorskip("array_api_strict")
    program = f"""
import warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import estimator_checks_generator
from handgrad.sklearn import NetworkClassifier, NetworkRegressor
for estimator in (NetworkClassifier(max_iter=20), NetworkRegressor(max_iter=20)):
    for one, check in estimator_checks_generator(estimator):
        if getattr(check, "func", check).__name__ == {BY_SCIPY!r}:
            check(one)
            print("passed")
"""
    made = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert made.stdout.split() == ["passed", "passed"], made.stderr
