# Routing with evidence: the laws held against what was measured, caches, what prefill fetches


rule distinct_experts:
    input:
        **program("distinct_experts"),
        models=expand("config/models/{model}.yaml", model=COUNTED),
        counts=COUNTS,
        measured=expand("config/routing/measured/{model}_distinct.csv", model=TOKENS),
        laws=LAWS,
        beside=expand("config/routing/variation/{model}.csv", model=VARIATIONS),
    output:
        f"{ROUTING}/distinct_experts.csv",
    log:
        "logs/distinct_experts.log",
    localrule: True
    params:
        **options(),
    message:
        "Holding the laws against measured routing"
    shell:
        RUN


rule savings_band:
    input:
        **program("savings_band"),
        catalogue=CATALOGUE,
        beside=[
            *COUNTS,
            *expand("config/routing/variation/{model}.csv", model=VARIATIONS),
        ],
    output:
        f"{ROUTING}/savings_band.csv",
    log:
        "logs/savings_band.log",
    localrule: True
    params:
        **options(
            batch_sizes=sorted(SWEEP["batch_sizes"]),
            layer_correlation=ASSUMPTIONS["layer_correlation"],
        ),
    message:
        "Finding the band of savings"
    shell:
        RUN


rule cache_hits:
    input:
        **program("cache_hits"),
        measured=expand("config/routing/measured/{model}_caches.csv", model=TOKENS),
        published="config/routing/published/hit_rates.csv",
    output:
        f"{ROUTING}/cache_hits.csv",
    log:
        "logs/cache_hits.log",
    localrule: True
    params:
        **options(),
    message:
        "Listing the hit rates of caches"
    shell:
        RUN


rule law_errors:
    input:
        **program("law_errors"),
        measured=expand(
            "config/routing/measured/{model}_{kind}.csv",
            model=TOKENS,
            kind=["errors", "overflow", "topics"],
        ),
    output:
        f"{ROUTING}/law_errors.csv",
        f"{ROUTING}/pool_overflow.csv",
        f"{ROUTING}/topic_errors.csv",
    log:
        "logs/law_errors.log",
    localrule: True
    params:
        **options(),
    message:
        "Listing the errors of the laws"
    shell:
        RUN


rule prefill_chunks:
    input:
        **program("prefill_chunks"),
        data=DATA,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
    output:
        f"{ROUTING}/prefill_chunks.csv",
    log:
        "logs/prefill_chunks.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            gpu=REFERENCE["gpu"],
            batch_size=REFERENCE["batch_size"],
            precision=REFERENCE["precision"],
            routing=REFERENCE["routing"],
            chunk_tokens=sorted(PAPER["prefill_chunk_tokens"]),
        ),
    message:
        "Counting what a prefill chunk fetches"
    shell:
        RUN


rule routing:
    input:
        rules.distinct_experts.output,
        rules.savings_band.output,
        rules.cache_hits.output,
        rules.law_errors.output,
        rules.prefill_chunks.output,
