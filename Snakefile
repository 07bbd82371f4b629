# The entry. `workflow/Snakefile` holds the definition; a default target inside an include is ignored, so it stands here.
include: "workflow/Snakefile"


rule all:
    default_target: True
    input:
        rules.sweep.input,
        rules.results.input,
        rules.profile.input,
        rules.routing.input,
        rules.sensitivity.output,
        rules.alternatives_study.input,
        rules.served.input.given,
        rules.served.input.least,
        rules.workloads_study.input,
        rules.claims.input,
        rules.figures.input,
        rules.tables.input,
        rules.guide.input,
        rules.explorer.output,
        rules.checksums.output,
    message:
        "Done: evaluation/memory_results, evaluation/figures and paper_tables are up to date"
