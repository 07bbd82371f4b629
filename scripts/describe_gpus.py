"""The GPUs of the sweep as a result table."""

from __future__ import annotations

import argparse
from pathlib import Path

from prophet_pipeline.command import run
from prophet_pipeline.configuration import GPUS_FILE, read_gpus
from prophet_pipeline.tables import write_rows


def main() -> None:
    """Read config/gpus.yaml, write the swept entries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpus-file", type=Path, default=GPUS_FILE)
    parser.add_argument("--gpus", nargs="+", required=True, help="entries to keep")
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    args = parser.parse_args()
    entries = read_gpus(args.gpus_file)
    rows = [
        {
            "gpu": slug,
            "name": entries[slug]["name"],
            "memory_bytes": entries[slug]["memory"]["bytes"],
            "hbm_bandwidth_bytes_per_s": entries[slug]["hbm"]["bandwidth_bytes_per_s"],
            "host_link_pcie_generation": entries[slug]["host_link"]["pcie_generation"],
            "host_link_effective_bandwidth_bytes_per_s": entries[slug]["host_link"]["effective_bandwidth_bytes_per_s"],
        }
        for slug in sorted(args.gpus)
    ]
    write_rows(rows, args.output)


if __name__ == "__main__":
    run(main)
