# What the prose says: its numbers as macros, the reviewers' guide, the paper

ASKED = QUERIED + [
    f"{RESULTS}/kv_extension_at_reference.csv",
    f"{RESULTS}/claims.csv",
    f"{RESULTS}/claims_summary.csv",
    f"{RESULTS}/observation_errors.csv",
    CONCURRENCY,
    *rules.routing.input,
    *rules.sensitivity.output,
    rules.residency_curves.output[1],
    rules.latency_observed.output,
    rules.prophet_losses.output,
    rules.workload_batches.output[0],
    rules.served.output[1],
    rules.workload_weighted.output,
    rules.decision_tree.output,
]
PROSE_NUMBERS = f"{RESULTS}/prose_numbers.csv"
GUIDE = "evaluation/reports/batch_size_justification"
PAPER_PDF = "paper/prophet-memory.pdf"


rule prose_numbers:
    input:
        **program("prose_numbers"),
        numbers="config/numbers.yaml",
        results=ASKED,
        profile_results=PROFILED,
    output:
        table=PROSE_NUMBERS,
        macros=f"{TABLES}/numbers.tex",
    log:
        "logs/prose_numbers.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing the numbers of the prose"
    shell:
        "python3 {input.script} {params.command_line} --macros {output.macros} --output {output.table} 2> {log}"


rule batch_size_justification:
    input:
        **program("batch_size_justification"),
        numbers=PROSE_NUMBERS,
        template="workflow/templates/batch_size_justification.md.j2",
        style="workflow/templates/guide.css",
        results=ASKED,
        laws=LAWS,
    output:
        f"{GUIDE}.md",
        reported(f"{GUIDE}.html", "Pages"),
    log:
        "logs/batch_size_justification.log",
    localrule: True
    params:
        **options(profile=PAPER["profile"], **REFERENCE),
    message:
        "Writing the reviewers' guide"
    shell:
        RUN


rule readme:
    input:
        **program("readme"),
        numbers=PROSE_NUMBERS,
        paper="paper/prophet-memory.tex",
        template="workflow/templates/README.md.j2",
    output:
        "README.md",
    log:
        "logs/readme.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing README.md"
    shell:
        RUN


rule paper_claims:
    input:
        **program("paper_claims"),
        claims="config/artifact.yaml",
        numbers=PROSE_NUMBERS,
    output:
        f"{RESULTS}/paper_claims.csv",
    log:
        "logs/paper_claims.log",
    localrule: True
    params:
        **options(),
    message:
        "Holding the paper's claims against the results"
    shell:
        RUN


rule artifact_appendix:
    input:
        **program("artifact_appendix"),
        artifact="config/artifact.yaml",
        judged=rules.paper_claims.output,
        numbers=PROSE_NUMBERS,
        claims=f"{RESULTS}/claims.csv",
        laws=LAWS,
        measured="config/artifact_measured.csv",
        paper="paper/prophet-memory.tex",
        template="workflow/templates/ARTIFACT.md.j2",
    output:
        "docs/ARTIFACT.md",
    log:
        "logs/artifact_appendix.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing docs/ARTIFACT.md"
    shell:
        RUN


rule compile_paper:
    input:
        **program("compile_paper"),
        source="paper/prophet-memory.tex",
        macros=rules.prose_numbers.output.macros,
        tables=rules.tables.input,
        allowed="config/bare_numbers.yaml",
        catalogues=[CATALOGUE, GPU_CATALOGUE, ENGINES, *rules.distinct_experts.output],
        beside=[
            "paper/references.bib",
            *rules.figures.input,
            "evaluation/figures/design_space/figure_design_space.pdf",
        ],
    output:
        PAPER_PDF,
    log:
        "logs/compile_paper.log",
    localrule: True
    params:
        **options(),
    message:
        "Compiling the paper"
    shell:
        RUN


rule guide:
    input:
        rules.prose_numbers.output,
        rules.batch_size_justification.output,
        rules.readme.output,
        rules.paper_claims.output,
        rules.artifact_appendix.output,


rule paper:
    input:
        rules.compile_paper.output,
