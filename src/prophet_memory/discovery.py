"""Classes found by the module that they stand in: adding a kind adds a file and changes no other."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

Base = TypeVar("Base")


def classes_in(package: ModuleType, base: type[Base]) -> list[type[Base]]:
    """Every class under a base that a module of a package defines, the base aside."""
    found: list[type[Base]] = []
    for module in iter_modules(package.__path__):
        name = f"{package.__name__}.{module.name}"
        classes = [value for value in vars(import_module(name)).values() if isinstance(value, type) and issubclass(value, base)]
        found += [one for one in classes if one is not base and one.__module__ == name]
    return found
