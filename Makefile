# make paper   build the environment and regenerate every result, figure and table
# make verify  make paper, check the outputs, say of each claim of the paper whether it holds, then print every claim of the source
#              document with what was computed for it (REASONS=1: and why it fails); fails if an output is not what the workflow
#              wrote or a claim that held no longer does
# make check   the same of what is there, without computing anything
# make pdf     compile the paper (needs LaTeX)
# make design-space  sweep some 59 million configurations and draw where Prophet at least doubles the KV capacity
# make unlock  clear the lock that a killed run left
# make test    run the tests that need no run of the workflow
# make test-workflow  run the workflow from nothing, killed, with broken outputs, and on the clusters that are installed
# make crate   provenance of the last run, ro-crate-metadata.json (AGENT="name": one of the authors of CITATION.cff who ran it)
# make wheelhouse  the packages of the lock in wheelhouse/, from which everything is built without a network
# make archive the artifact as one file in dist/, and wheelhouse/ as a second one where it stands here
# make docs    the documentation as a site that opens from disk, site/index.html
# FORCE=1 writes everything again, whatever is there. PROFILE=slurm (or generic, kubernetes) runs the jobs on a cluster, see
# docs/cluster.md. PYTHON chooses the interpreter that builds the environment; SNAKEFLAGS is handed to Snakemake.
PYTHON ?= python3
SNAKEFLAGS ?=
AGENT ?=
FORCE ?=
PROFILE ?= default
WHEELHOUSE ?= $(wildcard wheelhouse)
ifeq ($(wildcard profiles/$(PROFILE)/config.yaml),)
$(error PROFILE=$(PROFILE): allowed: $(notdir $(patsubst %/,%,$(wildcard profiles/*/))))
endif
VENV := $(if $(filter default,$(PROFILE)),.venv,.venv-$(PROFILE))
BIN := $(VENV)/bin
STAMP := $(VENV)/prophet-environment
LOCKS := requirements.lock $(wildcard profiles/$(PROFILE)/requirements.lock)
SNAKEMAKE = $(BIN)/snakemake --workflow-profile profiles/$(PROFILE) $(if $(FORCE),--forceall) $(SNAKEFLAGS)

.PHONY: paper verify check pdf design-space ready unlock test test-workflow lint lock bench report docs crate archive wheelhouse clean always
.DEFAULT_GOAL := paper

RESULTS := evaluation/memory_results/prophet_kv_extension
DESIGN_SUMS := evaluation/memory_results/design_space/SHA256SUMS
ALONE = test -z "$$(ls .snakemake/locks 2>/dev/null)" || { echo ".snakemake/locks: another run works here, or one was killed;" \
    "allowed: one run at a time: wait for it, or after a kill run make unlock" >&2; exit 2; }

paper: ready
	$(SNAKEMAKE)

# Of what is there, without computing anything.
define CHECKED
@$(BIN)/python scripts/verify_outputs.py --whole --sums evaluation/SHA256SUMS
@$(BIN)/python scripts/verify_outputs.py --whole --sums $(DESIGN_SUMS) --remedy "make design-space FORCE=1"
@$(BIN)/python scripts/verify_outputs.py --whole --sums evaluation/benchmarks/SHA256SUMS --remedy "make bench, or git checkout,"
@$(BIN)/python scripts/verify_claims.py --own $(RESULTS)/paper_claims.csv --claims $(RESULTS)/claims.csv \
    --laws $(RESULTS)/law_catalogue.csv $(if $(REASONS),--reasons)
endef

verify: paper
	$(CHECKED)

check: $(STAMP)
	$(CHECKED)

pdf: ready
	@$(BIN)/python scripts/compile_paper.py --check
	$(SNAKEMAKE) paper

# What would make a run go wrong is said before it begins: another run's lock, and outputs that are not what the workflow wrote.
ready: $(STAMP)
	@$(ALONE)
	@$(if $(FORCE),,$(BIN)/python scripts/verify_outputs.py --sums evaluation/SHA256SUMS)

unlock: $(STAMP)
	$(BIN)/snakemake --unlock --quiet all

design-space: $(STAMP)
	@$(ALONE)
	@$(if $(FORCE),,$(BIN)/python scripts/verify_outputs.py --sums $(DESIGN_SUMS) --remedy "make design-space FORCE=1")
	@$(BIN)/python scripts/watch_design_space.py config/models/*.yaml --design config/design_space.yaml \
	    --points evaluation/memory_results/design_space/points --reports logs/sweep_design_space \
	    --command $(SNAKEMAKE) design_space --quiet host reason rules progress

test: $(STAMP)
	$(BIN)/python -m pytest -m "not workflow"

test-workflow: $(STAMP)
	$(BIN)/python -m pytest -m workflow

# Everything below is for developers.
lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

# Other people's calculators are compared with where they are installed (docs/dependencies.md).
bench: $(STAMP)
	for name in kernel serving scaling pipeline calculators schedule answers draw plan; do $(BIN)/python benchmarks/$$name.py || exit 1; done
	if $(BIN)/python -c 'import playwright' 2>/dev/null; then $(BIN)/python benchmarks/explorer.py; \
	    else echo "make bench: without playwright the explorer is not measured"; fi
	$(BIN)/python scripts/checksums.py --outputs $(filter-out %/SHA256SUMS,$(wildcard evaluation/benchmarks/*)) \
	    --receipts .snakemake/receipts --output evaluation/benchmarks/SHA256SUMS

report: $(STAMP)
	$(SNAKEMAKE) --report report.html

# Tools that need nothing of the project's own: an environment each, from its lock.
.venv-docs/prophet-environment: TOOL := mkdocs
.venv-crate/prophet-environment: TOOL := rocrate-validator
.venv-docs/prophet-environment .venv-crate/prophet-environment: .venv-%/prophet-environment: always
	@$(PYTHON) scripts/build_environment.py --stamp $@ --locks environments/$*.lock --program $(TOOL)

# What the locks pin, to build from without a network; from the network itself, whatever wheelhouse stands here.
wheelhouse: WHEELHOUSE =
wheelhouse: $(STAMP)
	@$(BIN)/python scripts/wheelhouse.py --locks $(LOCKS) --output wheelhouse

# A wheelhouse that stands here becomes a file of its own beside it.
archive: paper pdf crate
	@$(BIN)/python scripts/archive.py --sums evaluation/SHA256SUMS $(DESIGN_SUMS) evaluation/benchmarks/SHA256SUMS \
	    --crate ro-crate-metadata.json --pdf paper/prophet-memory.pdf --output dist $(addprefix --wheelhouse ,$(WHEELHOUSE))

docs: $(STAMP) .venv-docs/prophet-environment
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

crate: paper .venv-crate/prophet-environment
	PYTHONPATH=src .venv-crate/bin/python scripts/make_crate.py --environment $(VENV) --output ro-crate-metadata.json $(if $(AGENT),--agent "$(AGENT)")

# Resolve anew: needs uv. environment.yml follows. The lock of an extra holds what it needs beside requirements.lock;
# the S3 client of kubernetes wants an older python-dateutil than the rest.
COMPILE = uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url --no-header
RESOLVE = $(COMPILE) pyproject.toml
PINS = sed -n 's/^\([A-Za-z0-9._-]*==[^\\]*[^ \\]\).*/\1/p' requirements.lock | grep -v "^$$loose=="
lock:
	$(RESOLVE) --extra paper --extra explorer --extra test --output-file requirements.lock
	$(PYTHON) scripts/export_environment.py
	for extra in slurm generic kubernetes; do \
	    loose=$$(test $$extra = kubernetes && echo python-dateutil); \
	    $(PINS) | $(RESOLVE) --no-annotate --quiet --extra $$extra --constraint - \
	        $$($(PINS) | sed 's/==.*//; s/^/--no-emit-package /') --output-file profiles/$$extra/requirements.lock \
	        && sed -i '/^#/d' profiles/$$extra/requirements.lock || exit 1; \
	done
	for group in docs crate; do \
	    $(COMPILE) --no-annotate --quiet --group pyproject.toml:$$group --output-file environments/$$group.lock || exit 1; \
	done

clean:
	rm -rf .venv .venv-* .snakemake logs site dist evaluation/memory_results/*/shards evaluation/memory_results/*/points

# Looked at each time, and built where it is not what the locks, PYTHON= and this folder ask for; the stamp's time stays if it is.
$(STAMP): always
	@$(PYTHON) scripts/build_environment.py --stamp $@ --locks $(LOCKS) $(if $(filter-out file,$(origin PYTHON)),--this-python) \
	    $(addprefix --wheelhouse ,$(WHEELHOUSE))
