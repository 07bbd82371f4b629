"""What is wrong with a model, as key, value and what is allowed."""

from __future__ import annotations


class ModelError(ValueError):
    """What a model cannot be or do, with the key where it stands, its value and what is allowed there."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}: {value!r}; allowed: {allowed}")
        self.key = key
        self.value = value
        self.allowed = allowed


class ArchitectureError(ModelError):
    """A value that no model can have."""
