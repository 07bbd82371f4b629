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
    if path != DATA_FOR_PEOPLE
]


rule checksums:
    input:
        script="scripts/checksums.py",
        library=library("checksums"),
        environment=ENVIRONMENT,
        outputs=COMMITTED,
    output:
        "evaluation/SHA256SUMS",
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
        outputs=rules.design_space_doubling.output + rules.figure_design_space.output,
    output:
        f"{DESIGN_RESULTS}/SHA256SUMS",
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
