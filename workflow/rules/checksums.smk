# Checksums of everything that is committed, of what the jobs wrote and nothing else

COMMITTED = [
    path
    for path in rules.results.input
    + rules.profile.input
    + rules.routing.input
    + list(rules.sensitivity.output)
    + rules.alternatives_study.input
    + rules.workloads_study.input
    + rules.claims.input
    + rules.figures.input
    + rules.tables.input
    + rules.guide.input
    + list(rules.explorer.output)
    # By its end: a bucket has its own beginning of every path.
    if not str(path).endswith(DATA_FOR_PEOPLE)
]


DESIGN_COMMITTED = (
    rules.describe_design_space_laws.output
    + rules.design_space_doubling.output
    + rules.figure_design_space.output
)
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
        **program("checksums"),
        outputs=COMMITTED,
    output:
        LISTS[0],
    log:
        "logs/checksums.log",
    localrule: True
    params:
        **options(receipts=CHECKED),
    message:
        "Checksums of the results"
    shell:
        RUN


rule design_space_checksums:
    input:
        **program("checksums"),
        outputs=DESIGN_COMMITTED,
    output:
        LISTS[1],
    log:
        "logs/design_space_checksums.log",
    localrule: True
    params:
        **options(receipts=CHECKED),
    message:
        "Checksums of the design space"
    shell:
        RUN


rule design_space:
    input:
        rules.describe_design_space.output,
        rules.design_space_doubling.output,
        rules.figure_design_space.output,
        rules.design_space_checksums.output,
