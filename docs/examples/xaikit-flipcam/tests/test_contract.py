"""The public contract of xaikit; each check says what it expected and what it found."""

import pytest

from xaikit.testing import method_checks


@pytest.mark.parametrize("check", method_checks("flipcam"))
def test_contract(check):
    check()
