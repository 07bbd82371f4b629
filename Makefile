# make paper   build the environment and regenerate every result, figure and table
# make verify  print every claim of the source document with what was computed for it; exit 1 if one that held no longer does
# make pdf     compile the paper (needs LaTeX)
# make test    run the tests
# PYTHON chooses the interpreter that builds the environment; SNAKEFLAGS is handed to Snakemake.
PYTHON ?= python3
SNAKEFLAGS ?=
BIN := .venv/bin
STAMP := .venv/prophet-environment

.PHONY: paper verify pdf test lint lock bench report clean
.DEFAULT_GOAL := paper

paper: $(STAMP)
	$(BIN)/snakemake $(SNAKEFLAGS)

verify: paper
	@$(BIN)/python scripts/verify_claims.py --claims evaluation/memory_results/prophet_kv_extension/claims.csv

pdf: $(STAMP)
	@$(BIN)/python scripts/compile_paper.py --check
	$(BIN)/snakemake $(SNAKEFLAGS) paper

test: $(STAMP)
	$(BIN)/python -m pytest

# Everything below is for developers.
lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

bench: $(STAMP)
	$(BIN)/python benchmarks/kernel.py
	$(BIN)/python benchmarks/pipeline.py

report: $(STAMP)
	$(BIN)/snakemake $(SNAKEFLAGS) --report report.html

# Resolve anew: needs uv. environment.yml follows.
lock:
	uv pip compile pyproject.toml --extra test --universal --python-version 3.11 \
	    --fork-strategy fewest --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
	$(PYTHON) scripts/export_environment.py

clean:
	rm -rf .venv .snakemake logs evaluation/memory_results/*/shards

$(STAMP): requirements.lock pyproject.toml scripts/build_environment.py
	$(PYTHON) scripts/build_environment.py --stamp $@
