# The source document's claims, each judged by a query into the results

QUERIED = [
    DATA,
    CATALOGUE,
    GPU_CATALOGUE,
    LAWS,
    POLICIES,
    ENGINES,
    f"{RESULTS}/expert_savings_curves.parquet",
    f"{RESULTS}/saturation_batches.csv",
    f"{RESULTS}/summary_statistics.csv",
    f"{RESULTS}/mean_extension_by_model.csv",
    f"{RESULTS}/mean_extension_by_expert_count.csv",
    f"{ROUTING}/distinct_experts.csv",
    f"{ROUTING}/cache_hits.csv",
    f"{ALTERNATIVES}/alternatives.parquet",
    f"{ALTERNATIVES}/within_target.parquet",
    f"{WORKLOADS}/trace_batches.csv",
    f"{WORKLOADS}/decisions.csv",
]

# Of these, what an engine's profile changes.
PROFILED = rules.profile.input


rule judge_claims:
    input:
        **program("judge_claims"),
        claims="config/claims.yaml",
        results=QUERIED,
        profile_results=PROFILED,
        laws=LAWS,
    output:
        f"{RESULTS}/claims.csv",
    log:
        "logs/judge_claims.log",
    localrule: True
    params:
        **options(),
    message:
        "Judging the claims"
    shell:
        RUN


rule claims_summary:
    input:
        **program("claims_summary"),
        claims=f"{RESULTS}/claims.csv",
    output:
        f"{RESULTS}/claims_summary.csv",
    log:
        "logs/claims_summary.log",
    localrule: True
    params:
        **options(),
    message:
        "Counting the verdicts"
    shell:
        RUN


rule claims:
    input:
        rules.judge_claims.output,
        rules.claims_summary.output,
