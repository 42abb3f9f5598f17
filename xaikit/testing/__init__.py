"""The contract that every plugin keeps, for its author to run: with pytest, with ``xaikit check``, or by hand.

>>> from xaikit.testing import method_checks
>>> checks = method_checks("gradcam")
>>> checks[0]()
>>> [check.name for check in checks][:2]
['needs_are_enough', 'needs_are_used']

In a test::

    @pytest.mark.parametrize("check", method_checks("mycam"))
    def test_contract(check):
        check()
"""

from __future__ import annotations

from xaikit.evaluation.judged import judged
from xaikit.testing.beside import bystanders
from xaikit.testing.checks import Check, CheckFailed
from xaikit.testing.contract import (
    KINDS_CHECKED,
    checks_of,
    finisher_checks,
    layout_checks,
    method_checks,
    metric_checks,
    observer_checks,
    source_checks,
    target_checks,
)
from xaikit.testing.facts import untouched
from xaikit.testing.reference import Reference

__all__ = [
    "KINDS_CHECKED",
    "Check",
    "CheckFailed",
    "Reference",
    "bystanders",
    "checks_of",
    "finisher_checks",
    "judged",
    "layout_checks",
    "method_checks",
    "metric_checks",
    "observer_checks",
    "source_checks",
    "target_checks",
    "untouched",
]
