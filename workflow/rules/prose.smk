# What the prose says: its numbers as macros, the reviewers' guide, the paper

ASKED = QUERIED + [
    f"{RESULTS}/kv_extension_at_reference.csv",
    f"{RESULTS}/claims_summary.csv",
    f"{RESULTS}/observation_errors.csv",
    CONCURRENCY,
    *rules.routing.input,
    *rules.sensitivity.output,
    rules.residency_curves.output[1],
    rules.latency_observed.output,
    rules.prophet_losses.output,
]
PROSE_NUMBERS = f"{RESULTS}/prose_numbers.csv"
GUIDE = "evaluation/reports/batch_size_justification"
PAPER_PDF = "paper/prophet-memory.pdf"


rule prose_numbers:
    input:
        **program("prose_numbers"),
        numbers="config/numbers.yaml",
        results=ASKED,
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
        results=[*ASKED, f"{RESULTS}/claims.csv"],
        laws=LAWS,
    output:
        f"{GUIDE}.md",
        f"{GUIDE}.html",
    log:
        "logs/batch_size_justification.log",
    localrule: True
    params:
        **options(provision=REFERENCE["provision"]),
    message:
        "Writing the reviewers' guide"
    shell:
        RUN


rule compile_paper:
    input:
        **program("compile_paper"),
        source="paper/prophet-memory.tex",
        beside=["paper/references.bib"]
        + rules.tables.input
        + [rules.prose_numbers.output.macros]
        + rules.figures.input,
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


rule paper:
    input:
        rules.compile_paper.output,
