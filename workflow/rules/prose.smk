# What the prose says: its numbers as macros, the reviewers' guide, the paper
localrules:
    prose_numbers,
    batch_size_justification,
    compile_paper,


ASKED = QUERIED + [
    f"{RESULTS}/kv_extension_at_reference.csv",
    f"{RESULTS}/claims_summary.csv",
]
GUIDE = "evaluation/reports/batch_size_justification"
PAPER_PDF = "paper/prophet-memory.pdf"


rule prose_numbers:
    input:
        script="scripts/prose_numbers.py",
        library=library("prose_numbers"),
        environment=ENVIRONMENT,
        numbers="config/numbers.yaml",
        results=ASKED,
    output:
        f"{TABLES}/numbers.tex",
    log:
        "logs/prose_numbers.log",
    params:
        exponent=ASSUMPTIONS["power_law_exponent"],
    message:
        "Writing the numbers of the prose"
    shell:
        "python3 {input.script} {input.results} --numbers {input.numbers}"
        " --power-law-exponent {params.exponent} --output {output} 2> {log}"


rule batch_size_justification:
    input:
        script="scripts/batch_size_justification.py",
        library=library("batch_size_justification"),
        environment=ENVIRONMENT,
        numbers="config/numbers.yaml",
        template="workflow/templates/batch_size_justification.md.j2",
        style="workflow/templates/guide.css",
        claims=f"{RESULTS}/claims.csv",
        results=ASKED,
    output:
        f"{GUIDE}.md",
        f"{GUIDE}.html",
    log:
        "logs/batch_size_justification.log",
    params:
        exponent=ASSUMPTIONS["power_law_exponent"],
    message:
        "Writing the reviewers' guide"
    shell:
        "python3 {input.script} {input.results} {input.claims} --numbers {input.numbers}"
        " --template {input.template} --style {input.style} --power-law-exponent {params.exponent}"
        " --output {output} 2> {log}"


rule compile_paper:
    input:
        script="scripts/compile_paper.py",
        library=library("compile_paper"),
        environment=ENVIRONMENT,
        sources=["paper/prophet-memory.tex", "paper/references.bib"],
        shown=rules.tables.input + rules.prose_numbers.output + rules.figures.input,
    output:
        PAPER_PDF,
    log:
        "logs/compile_paper.log",
    message:
        "Compiling the paper"
    shell:
        "python3 {input.script} --source {input.sources[0]} --output {output} 2> {log}"


rule guide:
    input:
        rules.prose_numbers.output,
        rules.batch_size_justification.output,


rule paper:
    input:
        rules.compile_paper.output,
