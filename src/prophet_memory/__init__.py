"""Analytic GPU memory model of mixture-of-experts inference with expert residency.

Pure functions and objects: plain values and numpy arrays in, arrays out; no file paths, no plotting. Files and terminals are the
business of `edge` and `cli` alone. One module per part:

- `architecture`, `mixers`, `fields`: what a model is made of, the checks that make it meaningful, and the limits of its fields
- `huggingface`: a Hugging Face `config.json` as an architecture
- `weights`, `parameters`: every weight, and exact integer counts
- `kv_cache`: bytes of cache and state per sequence, and the closed-form KV capacity
- `routing`: the laws for the number of distinct experts U(B)
- `distinct`, `inclusion`, `spread`, `occupancy`: what laws are made of: distributions, inclusion probabilities, ranks
- `measured`, `locality`: measured routing: counts of experts, and what token-level routing says
- `residency`: which experts a policy keeps in GPU memory
- `formats`, `precision`, `parallelism`: bytes per weight, several GPUs
- `gpu`, `engine`: what it runs on
- `peaks`, `loading`, `paging`: of an engine its activations, what it holds beyond weights, and how it cuts the cache
- `stages`: pipeline parallelism
- `memory`, `grid`, `sweeps`, `planning`: the memory equation over named axes, and at one point
- `facts`: what a model is, in numbers

The names of `__all__` are loaded when they are asked for, so that whoever needs one module loads no other.
"""

from importlib import import_module

_HOMES = {
    "architecture": ("Architecture",),
    "engine": ("Engine", "Reserve", "StepSize"),
    "gpu": ("Gpu",),
    "grid": ("Grid", "Model"),
    "huggingface": ("read_config",),
    "memory": ("Assumptions",),
    "peaks": ("LargestPhase",),
    "planning": ("Plan", "plan"),
    "residency": ("ResidencyPolicy", "residency_policy"),
    "routing": ("RoutingLaw", "routing_law"),
    "sweeps": ("Sweep", "sweep"),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # type: ignore[misc]  # noqa: PLE0605


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
