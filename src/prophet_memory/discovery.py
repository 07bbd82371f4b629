"""Classes found by the module that they stand in: adding a kind adds a file and changes no other."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

Base = TypeVar("Base")


def modules_in(package: ModuleType) -> list[ModuleType]:
    """Every module of a package, imported."""
    return [import_module(f"{package.__name__}.{module.name}") for module in iter_modules(package.__path__)]


def classes_in(package: ModuleType, base: type[Base]) -> list[type[Base]]:
    """Every class under a base that a module of a package defines, the base aside."""
    found: list[type[Base]] = []
    for module in modules_in(package):
        classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, base)]
        found += [one for one in classes if one is not base and one.__module__ == module.__name__]
    return found
