"""Numbers as figures and tables print them."""

import pytest

from prophet_memory.edge.text import percent, thousands


@pytest.mark.parametrize(
    ("tokens", "text"), [(999, "999"), (1000, "1.00k"), (999_499, "999k"), (999_500, "1.00M"), (10**7, "10.0M")]
)
def test_three_digits_and_never_a_thousand_thousands(tokens: int, text: str):
    assert thousands(tokens) == text


@pytest.mark.parametrize(
    ("fraction", "text"), [(0, "0"), (0.5, "50.0"), (0.9989, "99.9"), (0.9995, "99.95"), (0.99999, "99.99"), (1, "100")]
)
def test_only_all_of_it_is_a_hundred(fraction: float, text: str):
    assert percent(fraction) == text
