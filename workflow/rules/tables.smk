# What the paper shows as LaTeX tables


rule table_model_catalogue:
    input:
        **program("table_model_catalogue"),
        catalogue=CATALOGUE,
    output:
        reported(f"{TABLES}/table_model_catalogue.tex", "Tables"),
    log:
        "logs/table_model_catalogue.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing table_model_catalogue"
    shell:
        RUN


rule table_saturation_thresholds:
    input:
        **program("table_saturation_thresholds"),
        saturation=f"{RESULTS}/saturation_batches.csv",
        catalogue=CATALOGUE,
        laws=LAWS,
    output:
        reported(f"{TABLES}/table_saturation_thresholds.tex", "Tables"),
    log:
        "logs/table_saturation_thresholds.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing table_saturation_thresholds"
    shell:
        RUN


rule table_exponent_fit:
    input:
        **program("table_exponent_fit"),
        fits=f"{RESULTS}/exponent_fits.csv",
        names=CATALOGUE,
    output:
        reported(f"{TABLES}/table_exponent_fit.tex", "Tables"),
    log:
        "logs/table_exponent_fit.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing table_exponent_fit"
    shell:
        RUN


rule table_kv_extension:
    input:
        **program("table_kv_extension"),
        reference=f"{RESULTS}/kv_extension_at_reference.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        reported(f"{TABLES}/table_kv_extension.tex", "Tables"),
    log:
        "logs/table_kv_extension.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            gpu=REFERENCE["gpu"],
            batch_size=REFERENCE["batch_size"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Writing table_kv_extension"
    shell:
        RUN


rule table_extension_by_expert_count:
    input:
        **program("table_extension_by_expert_count"),
        by_experts=f"{RESULTS}/mean_extension_by_expert_count.csv",
        laws=LAWS,
        policies=POLICIES,
    output:
        reported(f"{TABLES}/table_extension_by_expert_count.tex", "Tables"),
    log:
        "logs/table_extension_by_expert_count.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Writing table_extension_by_expert_count"
    shell:
        RUN


rule table_summary_statistics:
    input:
        **program("table_summary_statistics"),
        summary=f"{RESULTS}/summary_statistics.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        reported(f"{TABLES}/table_summary_statistics.tex", "Tables"),
    log:
        "logs/table_summary_statistics.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            gpu=REFERENCE["gpu"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Writing table_summary_statistics"
    shell:
        RUN


rule table_multi_gpu:
    input:
        **program("table_multi_gpu"),
        smallest=f"{RESULTS}/smallest_gpu_counts.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        reported(f"{TABLES}/table_multi_gpu.tex", "Tables"),
    log:
        "logs/table_multi_gpu.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            routing=REFERENCE["routing"],
            gpus=PAPER["multi_gpu"]["gpus"],
            n_gpus=sorted(SWEEP["n_gpus"]),
            batch_size=REFERENCE["batch_size"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Writing table_multi_gpu"
    shell:
        RUN


rule table_claims:
    input:
        **program("table_claims"),
        claims=f"{RESULTS}/claims.csv",
        laws=LAWS,
        engines=ENGINES,
    output:
        reported(f"{TABLES}/table_claims.tex", "Tables"),
    log:
        "logs/table_claims.log",
    localrule: True
    params:
        **options(profile=PAPER["profile"]),
    message:
        "Writing table_claims"
    shell:
        RUN


rule table_claims_summary:
    input:
        **program("table_claims_summary"),
        summary=f"{RESULTS}/claims_summary.csv",
        laws=LAWS,
    output:
        reported(f"{TABLES}/table_claims_summary.tex", "Tables"),
    log:
        "logs/table_claims_summary.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing table_claims_summary"
    shell:
        RUN


rule table_observations:
    input:
        **program("table_observations"),
        errors=f"{RESULTS}/observation_errors.csv",
    output:
        reported(f"{TABLES}/table_observations.tex", "Tables"),
    log:
        "logs/table_observations.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing table_observations"
    shell:
        RUN


rule table_concurrency:
    input:
        **program("table_concurrency"),
        concurrency=CONCURRENCY,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        reported(f"{TABLES}/table_concurrency.tex", "Tables"),
    log:
        "logs/table_concurrency.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            routing=REFERENCE["routing"],
            gpu=REFERENCE["gpu"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Writing table_concurrency"
    shell:
        RUN


rule table_prefill_chunks:
    input:
        **program("table_prefill_chunks"),
        chunks=rules.prefill_chunks.output,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        reported(f"{TABLES}/table_prefill_chunks.tex", "Tables"),
    log:
        "logs/table_prefill_chunks.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing table_prefill_chunks"
    shell:
        RUN


rule table_law_errors:
    input:
        **program("table_law_errors"),
        errors=rules.law_errors.output[0],
        topics=rules.law_errors.output[2],
    output:
        reported(f"{TABLES}/table_law_errors.tex", "Tables"),
    log:
        "logs/table_law_errors.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing table_law_errors"
    shell:
        RUN


rule table_alternatives:
    input:
        **program("table_alternatives"),
        alternatives=rules.alternatives.output[0],
        claims=f"{RESULTS}/claims.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
    output:
        reported(f"{TABLES}/table_alternatives.tex", "Tables"),
    log:
        "logs/table_alternatives.log",
    localrule: True
    params:
        **options(
            cases=compact_json(config["alternatives"]["cases"]),
            routing=REFERENCE["routing"],
            provision=REFERENCE["provision"],
            context_tokens=config["latency"]["context_tokens"],
            batch_sizes=[1, REFERENCE["batch_size"]],
        ),
    message:
        "Writing table_alternatives"
    shell:
        RUN


rule table_latency_observed:
    input:
        **program("table_latency_observed"),
        observed=rules.latency_observed.output,
    output:
        reported(f"{TABLES}/table_latency_observed.tex", "Tables"),
    log:
        "logs/table_latency_observed.log",
    localrule: True
    params:
        **options(),
    message:
        "Writing table_latency_observed"
    shell:
        RUN


rule table_workloads:
    input:
        **program("table_workloads"),
        weighted=rules.workload_weighted.output,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        workloads="config/workloads.yaml",
    output:
        reported(f"{TABLES}/table_workloads.tex", "Tables"),
    log:
        "logs/table_workloads.log",
    localrule: True
    params:
        **options(
            models=PAPER["breakdown_models"],
            gpu=REFERENCE["gpu"],
            step_s=config["workloads"]["constant"]["kept_step_s"],
            context_tokens=config["latency"]["context_tokens"],
        ),
    message:
        "Writing table_workloads"
    shell:
        RUN


rule table_headlines:
    input:
        **program("table_headlines"),
        data=[DATA, PROFILE_DATA],
        concurrency=[CONCURRENCY, *rules.profile_concurrency.output],
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
        engines=ENGINES,
    output:
        reported(f"{TABLES}/table_headlines.tex", "Tables"),
    log:
        "logs/table_headlines.log",
    localrule: True
    params:
        **options(
            swept=ASSUMPTIONS["engine"],
            profile=PAPER["profile"],
            context_tokens=PAPER["headline_context_tokens"],
            **REFERENCE,
        ),
    message:
        "Writing table_headlines"
    shell:
        RUN


rule tables:
    input:
        rules.table_model_catalogue.output,
        rules.table_saturation_thresholds.output,
        rules.table_exponent_fit.output,
        rules.table_prefill_chunks.output,
        rules.table_law_errors.output,
        rules.table_kv_extension.output,
        rules.table_extension_by_expert_count.output,
        rules.table_summary_statistics.output,
        rules.table_multi_gpu.output,
        rules.table_claims.output,
        rules.table_claims_summary.output,
        rules.table_observations.output,
        rules.table_concurrency.output,
        rules.table_alternatives.output,
        rules.table_latency_observed.output,
        rules.table_workloads.output,
        rules.table_headlines.output,
