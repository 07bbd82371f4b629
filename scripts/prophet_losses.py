"""Where Prophet loses: at each point of the study the choices that beat it in 16 bit, or as the model is published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prophet_memory.axes import KEYS
from prophet_memory.edge.command import script
from prophet_memory.edge.tables import Row, by_key, catalogued, write_rows
from prophet_memory.formats import DEFAULT_FORMAT, NATIVE
from prophet_memory.residency import BASELINE, POLICIES

FEWER_BITS = ("int8", "int4")
HOST, PROPHET = "cpu_compute", "prophet"


def main(*, alternatives: Path, catalogue: Path, gpu_catalogue: Path, routing: str, provision: str, output: Path) -> None:
    """Read results, compare, write.

    Args:
        alternatives: alternatives.parquet
        catalogue: model_catalogue.csv
        gpu_catalogue: gpu_catalogue.csv
        routing: the law of the distinct experts
        provision: what resident pools are sized for
        output: CSV file
    """
    keys = tuple(key for key in KEYS if key not in {"routing", "provision"})
    found = by_key(alternatives, keys=keys, at={"routing": routing, "provision": provision})
    published = {name: row["published_precision"] for name, row in catalogued(catalogue, "model").items()}
    memory = {name: row["memory_bytes"] for name, row in catalogued(gpu_catalogue, "gpu").items()}
    points = sorted({key[:4] for key in found if key[0] in published})
    resident: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in published}  # by model, or each point asks all rows
    for key, row in found.items():
        if key[0] in published and key[5] == BASELINE.name and row["fits"]:
            resident[key[0]][key] = row
    write_rows(
        [row for point in points if (row := losses(point, found, resident[point[0]], published[point[0]], memory))], output
    )


def losses(
    point: tuple[Any, ...], found: Mapping[tuple[Any, ...], Row], resident: Mapping[tuple[Any, ...], Row], published: str,
    memory: Mapping[str, int],
) -> dict[str, Any]:  # fmt: skip
    """What beats Prophet at a point: 1, 0, or nothing where Prophet does not fit; no row where it was not compared."""
    model, gpu, n_gpus, batch = point
    own = DEFAULT_FORMAT if published == DEFAULT_FORMAT else NATIVE
    prophet = found.get((*point, own, PROPHET))
    if prophet is None:
        return {}
    fewer = [found[key] for bits in FEWER_BITS if (key := (*point, bits, BASELINE.name)) in found]
    whole = {key: row for key, row in resident.items() if key[4] == own}
    more_gpus = [row for key, row in whole.items() if key[:2] == point[:2] and key[3] == batch and key[2] > n_gpus]
    larger = [row for key, row in whole.items() if key[0] == model and key[2:4] == point[2:] and memory[key[1]] > memory[gpu]]
    host = found.get((*point, own, HOST))
    alone = (name for name in POLICIES if name not in {PROPHET, HOST} and not POLICIES[name].is_bound)
    rivals = [row for name in alone if (row := found.get((*point, own, name))) is not None]
    beats = {
        "to_int8": any(better(row, prophet) for row in fewer if row["precision"] == FEWER_BITS[0]),
        "to_int4": any(better(row, prophet) for row in fewer if row["precision"] == FEWER_BITS[1]),
        "to_host_compute": host is not None and host["fits"] and host["step_s"] < prophet["step_s"],
        "to_more_gpus": any(row["tokens_per_s_per_gpu"] > prophet["tokens_per_s_per_gpu"] for row in more_gpus),
        "to_gpu_alone": any(no_worse(row, prophet) for row in rivals),
        "is_dominated": prophet["is_dominated"],
        "holds_every_expert": not prophet["expert_savings_fraction"],
        "to_a_larger_gpu": any(row["step_s"] < prophet["step_s"] for row in larger),
    }
    named = {"model": model, "gpu": gpu, "n_gpus": n_gpus, "batch_size": batch, "precision": own, "fits": prophet["fits"]}
    return named | {name: int(value) if prophet["fits"] else None for name, value in beats.items()}


def no_worse(row: Row, prophet: Row) -> bool:
    """Whether a choice fits, takes no more GPU memory and no more time, and less of one."""
    sizes, times = ([one[column] for one in (row, prophet)] for column in ("gpu_bytes", "step_s"))
    return bool(row["fits"] and sizes[0] <= sizes[1] and times[0] <= times[1] and (sizes[0] < sizes[1] or times[0] < times[1]))


def better(row: Row, prophet: Row) -> bool:
    """Whether a choice fits, leaves no fewer KV tokens and takes no more time, and is better in one."""
    tokens = [one["usable_kv_capacity_tokens"] or 0 for one in (row, prophet)]
    no_worse = tokens[0] >= tokens[1] and row["step_s"] <= prophet["step_s"]
    return bool(row["fits"] and no_worse and (tokens[0] > tokens[1] or row["step_s"] < prophet["step_s"]))


if __name__ == "__main__":
    script(main)
