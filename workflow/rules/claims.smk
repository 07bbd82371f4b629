# The source document's claims, each judged by a query into the results
localrules:
    judge_claims,
    claims_summary,


QUERIED = [
    DATA,
    CATALOGUE,
    GPU_CATALOGUE,
    f"{RESULTS}/expert_savings_curves.parquet",
    f"{RESULTS}/saturation_batches.csv",
    f"{RESULTS}/summary_statistics.csv",
    f"{RESULTS}/mean_extension_by_model.csv",
    f"{RESULTS}/mean_extension_by_expert_count.csv",
]


rule judge_claims:
    input:
        script="scripts/judge_claims.py",
        library=library("judge_claims"),
        environment=ENVIRONMENT,
        ledger="config/claims.yaml",
        results=QUERIED,
    output:
        f"{RESULTS}/claims.csv",
    log:
        "logs/judge_claims.log",
    message:
        "Judging the claims"
    shell:
        "python3 {input.script} {input.results} --claims {input.ledger} --output {output} 2> {log}"


rule claims_summary:
    input:
        script="scripts/claims_summary.py",
        library=library("claims_summary"),
        environment=ENVIRONMENT,
        claims=f"{RESULTS}/claims.csv",
    output:
        f"{RESULTS}/claims_summary.csv",
    log:
        "logs/claims_summary.log",
    message:
        "Counting the verdicts"
    shell:
        "python3 {input.script} --claims {input.claims} --output {output} 2> {log}"


rule claims:
    input:
        rules.judge_claims.output,
        rules.claims_summary.output,
