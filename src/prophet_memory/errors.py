"""What is wrong with a model, as key, value and what is allowed."""

from __future__ import annotations

import json


class ModelError(ValueError):
    """What a model cannot be or do, with the key where it stands, its value and what is allowed there."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
        super().__init__(f"{key}: {shown}; allowed: {allowed}")
        self.key = key
        self.value = value
        self.allowed = allowed


class ArchitectureError(ModelError):
    """A value that no model can have."""
