"""The GPUs of the sweep as a result table."""

from __future__ import annotations

from pathlib import Path

from prophet_pipeline.command import script
from prophet_pipeline.configuration import GPUS_FILE, read_gpus
from prophet_pipeline.tables import write_rows


def main(*, gpus: Path = GPUS_FILE, names: list[str], output: Path) -> None:
    """Read config/gpus.yaml, write the swept entries.

    Args:
        gpus: catalogue of GPUs
        names: entries to keep
        output: CSV file
    """
    entries = read_gpus(gpus)
    rows = [
        {
            "gpu": slug,
            "name": entries[slug]["name"],
            "memory_bytes": entries[slug]["memory"]["bytes"],
            "hbm_bandwidth_bytes_per_s": entries[slug]["hbm"]["bandwidth_bytes_per_s"],
            "host_link_pcie_generation": entries[slug]["host_link"]["pcie_generation"],
            "host_link_effective_bandwidth_bytes_per_s": entries[slug]["host_link"]["effective_bandwidth_bytes_per_s"],
        }
        for slug in sorted(names)
    ]
    write_rows(rows, output)


if __name__ == "__main__":
    script(main)
