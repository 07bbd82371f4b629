"""Requests that one core simulates a second, and the time of a token of a request against adding a number in the same run.

Requests have 200 output tokens and prompts of 500; loads are those of one replica. Only the ratios travel from machine to
machine.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from measure import best_s, parser, report

from prophet_memory.edge.configuration import MODELS_FOLDER, read_engines, read_gpus, read_model
from prophet_memory.edge.results import assumptions_of
from prophet_memory.edge.settings import read_settings
from prophet_memory.grid import Model
from prophet_memory.parallelism import ALONE
from prophet_memory.residency import residency_policy
from prophet_memory.routing import routing_law
from prophet_memory.workload.replicas import serve
from prophet_memory.workload.requests import Lengths, Process
from prophet_memory.workload.service import Deployment, Service, constant, service

PROMPT, OUTPUT = 500, 200
STEP_S = 0.02
LOADS = (0.355, 12.6, 200.0)  # of chatbots and APIs in the source document, and a crowd
MODEL, GPU = "qwen3-30b-a3b", "a100-80gb"


def services() -> dict[str, Service]:
    """Steps of one length, and those of a model."""
    settings = read_settings()
    model = Model(MODEL, read_model(MODELS_FOLDER / f"{MODEL}.yaml").architecture)
    deployment = Deployment(
        model, read_gpus()[GPU], ALONE, assumptions_of(settings.assumptions, read_engines()), settings.latency.timing(), "int4",
        residency_policy("all_resident"), routing_law("uniform"), 16,
    )  # fmt: skip
    longest = PROMPT + OUTPUT
    return {"constant": constant(STEP_S, longest), MODEL: service(deployment, longest)}


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "serving.csv")
    arguments.add_argument("--requests", type=int, default=50_000)
    arguments.add_argument("--repeat", type=int, default=3, help="the best of this many calls counts")
    args = arguments.parse_args()
    rows: list[dict[str, Any]] = []
    for name, one in services().items():
        for load in LOADS:
            process = Process(load / (OUTPUT * STEP_S), Lengths(PROMPT, PROMPT), Lengths(OUTPUT, OUTPUT))
            asked = process.requests(args.requests, 1)
            seconds = best_s(partial(serve, asked, one), args.repeat)
            added = best_s(partial(np.ones(args.requests * OUTPUT).cumsum), args.repeat)
            rows.append({
                "steps": name, "load": load, "requests": args.requests, "requests_per_s": args.requests / seconds,
                "million_requests_s": seconds * 10**6 / args.requests, "additions_per_token": seconds / added,
            })  # fmt: skip
    report(rows, args.output)


if __name__ == "__main__":
    main()
