"""environment.yml for conda users: Python, pip and the very versions of requirements.lock."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HEAD = """\
# The versions of requirements.lock for conda users; scripts/export_environment.py writes it (make lock).
# conda env create --file environment.yml && conda activate prophet-memory && pip install --no-deps --editable . && snakemake
name: prophet-memory
channels:
  - conda-forge
dependencies:
  - python >=3.11
  - pip
  - pip:
"""
PIN = re.compile(r"^(?P<pin>[A-Za-z0-9._-]+(?:\[[a-z,]+\])?==[^\s;\\]+)(?P<marker>\s*;[^\\]*)?", re.MULTILINE)


def environment(lock: str) -> str:
    """The text of environment.yml that belongs to a lock."""
    pins = [match["pin"] + (f" ; {match['marker'].strip(' ;')}" if match["marker"] else "") for match in PIN.finditer(lock)]
    return HEAD + "".join(f'      - "{pin}"\n' for pin in pins)


if __name__ == "__main__":
    text = environment((REPOSITORY / "requirements.lock").read_text(encoding="utf-8"))
    (REPOSITORY / "environment.yml").write_text(text, encoding="utf-8")
