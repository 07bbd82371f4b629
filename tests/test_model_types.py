"""The page of model types is that of the code; the types are all those with experts.

Needs the extra `[reference]` (torch and transformers); `.ci/run` installs it.
"""

import pytest

REASON = "the extra [reference] is not installed (torch, transformers): pip install torch, then pip install -e '.[reference]'"
pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)

import model_types  # noqa: E402

from prophet_memory.huggingface import SUPPORTED_TYPES  # noqa: E402
from prophet_memory.huggingface.unread import UNREAD  # noqa: E402


def test_the_page_is_written_anew_with_what_it_is_made_of():
    assert model_types.PAGE.read_text(encoding="utf-8") == model_types.page(), "python3 tests/model_types.py"


def test_every_type_is_read_or_says_what_is_missing():
    known = set(model_types.every_type.KINDS)
    assert known - set(SUPPORTED_TYPES) == set(UNREAD)


def test_every_native_type_is_checked():
    assert all(any(model_types.checks(kind)) for kind in model_types.KINDS if kind in SUPPORTED_TYPES)
