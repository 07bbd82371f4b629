"""The axes of the results by name: the one list of what a row's key is made of (no numpy here: every reader imports it)."""

from __future__ import annotations

# A row's key column and the list of the config that fills it, in the order of the results contract.
AXES = {
    "gpu": "gpus",
    "n_gpus": "n_gpus",
    "batch_size": "batch_sizes",
    "routing": "routings",
    "precision": "precisions",
    "policy": "policies",
    "provision": "provisions",
}
KEYS = ("model", *AXES)
