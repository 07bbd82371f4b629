"""Start-up logs of serving engines: the model, the settings and every memory line that they print (docs/engines.md, "Logs")."""

from __future__ import annotations

from dataclasses import replace

from prophet_memory.logs.llama_cpp import read_llama_cpp
from prophet_memory.logs.reading import LogError, LogReading, plain_lines
from prophet_memory.logs.sglang import read_sglang
from prophet_memory.logs.vllm import read_vllm

__all__ = ["LogError", "LogReading", "read_log"]

MOST = 1e15  # of what a log counts
# The first that finds an engine of its own; SGLang's logs of early 2025 hold lines of vLLM.
READERS = (read_sglang, read_vllm, read_llama_cpp)


def read_log(text: str) -> LogReading:
    """What a log says.

    Raises:
        LogError: for a log of another engine, and for one without a line on memory.
    """
    lines = plain_lines(text)
    for read in READERS:
        found = read(lines)
        if found is None:
            continue
        # A figure that is rounded to nothing, fell between two readings of the driver or is beyond any machine is no measurement.
        measured = {component: text for component, text in found.measured.items() if 0 < float(text.split()[0]) < MOST}
        if not measured:
            raise LogError("log", found.engine, "the whole start-up log: this one has no line on memory")
        return replace(found, measured=measured)
    raise LogError("log", lines[0][:60] if lines else "", "the start-up log of vLLM, SGLang or llama.cpp")
