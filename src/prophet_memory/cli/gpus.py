"""`prophet-memory gpus`."""

from __future__ import annotations

from dataclasses import asdict

import click

from prophet_memory.cli.options import as_json
from prophet_memory.cli.render import gib, print_json, print_table
from prophet_memory.edge.configuration import GPUS_FILE, GpuEntries
from prophet_memory.edge.documents import read

GIGA, TERA = 1e9, 1e12
HEADS = (
    ("gpu", False), ("name", False), ("memory bytes", True), ("GiB", True), ("HBM GB/s", True), ("host link GB/s", True),
    ("peak TFLOP/s", True),
)  # fmt: skip


@click.command(name="gpus")
@as_json
def command(*, as_json: bool) -> None:
    """The catalogue of GPUs: memory as the driver reports it, bandwidths, and peak arithmetic of 16-bit numbers."""
    gpus = read(GpuEntries, GPUS_FILE)
    if as_json:
        print_json([{"gpu": slug} | asdict(entry) for slug, entry in gpus.items()])
        return
    rows = [
        (
            slug, gpu.name, f"{gpu.memory.bytes:,}", gib(gpu.memory.bytes),
            f"{gpu.hbm.bandwidth_bytes_per_s / GIGA:,.0f}",
            f"{gpu.host_link.effective_bandwidth_bytes_per_s / GIGA:,.0f}",
            f"{gpu.compute.peak_flops_per_s / TERA:,.0f}" if gpu.compute else "",
        )
        for slug, gpu in gpus.items()
    ]  # fmt: skip
    print_table(HEADS, rows)
