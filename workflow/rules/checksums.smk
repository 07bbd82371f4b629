# Checksums of everything that is committed, of what the jobs wrote and nothing else
localrules:
    checksums,
    design_space_checksums,


COMMITTED = [
    path
    for path in rules.results.input
    + rules.claims.input
    + rules.figures.input
    + rules.tables.input
    + rules.guide.input
    # By its end: a bucket has its own beginning of every path.
    if not str(path).endswith(DATA_FOR_PEOPLE)
]


DESIGN_COMMITTED = rules.design_space_doubling.output + rules.figure_design_space.output
LISTS = ["evaluation/SHA256SUMS", f"{DESIGN_RESULTS}/SHA256SUMS"]

if workflow.is_main_process and SHARED:
    age_foreign(
        map(Path, [*COMMITTED, *DESIGN_COMMITTED]),
        map(Path, LISTS),
        Path(RECEIPTS),
        Path(".snakemake/metadata"),
    )


rule checksums:
    input:
        script="scripts/checksums.py",
        library=library("checksums"),
        environment=ENVIRONMENT,
        outputs=COMMITTED,
    output:
        LISTS[0],
    log:
        "logs/checksums.log",
    params:
        checked=CHECKED,
    message:
        "Checksums of the results"
    shell:
        "python3 {input.script} {input.outputs} {params.checked} --output {output} 2> {log}"


rule design_space_checksums:
    input:
        script="scripts/checksums.py",
        library=library("checksums"),
        environment=ENVIRONMENT,
        outputs=DESIGN_COMMITTED,
    output:
        LISTS[1],
    log:
        "logs/design_space_checksums.log",
    params:
        checked=CHECKED,
    message:
        "Checksums of the design space"
    shell:
        "python3 {input.script} {input.outputs} {params.checked} --output {output} 2> {log}"


rule design_space:
    input:
        rules.describe_design_space.output,
        rules.design_space_doubling.output,
        rules.figure_design_space.output,
        rules.design_space_checksums.output,
