# The catalogue resolved, and what is read off the long table


rule describe_models:
    input:
        **program("describe_models"),
        models=MODEL_FILES,
    output:
        CATALOGUE,
    log:
        "logs/describe_models.log",
    localrule: True
    params:
        **options(
            expert_count_groups=PAPER["expert_count_groups"],
            kv_format=ASSUMPTIONS["kv_format"],
            state_format=ASSUMPTIONS["state_format"],
        ),
    message:
        "Counting the parameters of every model"
    shell:
        RUN


rule describe_gpus:
    input:
        **program("describe_gpus"),
        gpus="config/gpus.yaml",
    output:
        GPU_CATALOGUE,
    log:
        "logs/describe_gpus.log",
    localrule: True
    params:
        **options(names=sorted(SWEEP["gpus"])),
    message:
        "Listing the GPUs"
    shell:
        RUN


rule describe_laws:
    input:
        **program("describe_laws"),
    output:
        LAWS,
    log:
        "logs/describe_laws.log",
    localrule: True
    params:
        **options(routings=compact_json(SWEEP["routings"])),
    message:
        "Listing the routing laws"
    shell:
        RUN


rule describe_policies:
    input:
        **program("describe_policies"),
    output:
        POLICIES,
    log:
        "logs/describe_policies.log",
    localrule: True
    params:
        **options(policies=compact_json(SWEEP["policies"])),
    message:
        "Listing the residency policies"
    shell:
        RUN


rule describe_engines:
    input:
        **program("describe_engines"),
        engines="config/engines.yaml",
    output:
        ENGINES,
    log:
        "logs/describe_engines.log",
    localrule: True
    params:
        **options(swept=ASSUMPTIONS["engine"]),
    message:
        "Listing the engines"
    shell:
        RUN


rule compare_observations:
    input:
        **program("compare_observations"),
        observations=expand("config/observations/{name}.yaml", name=OBSERVATION_NAMES),
        beside=[
            *expand("config/models/{model}.yaml", model=OBSERVED_MODELS),
            "config/engines.yaml",
            "config/gpus.yaml",
        ],
    output:
        f"{RESULTS}/observations.csv",
    log:
        "logs/compare_observations.log",
    localrule: True
    params:
        **options(),
    message:
        "Comparing with published measurements"
    shell:
        RUN


rule observation_errors:
    input:
        **program("observation_errors"),
        observations=f"{RESULTS}/observations.csv",
    output:
        f"{RESULTS}/observation_errors.csv",
    log:
        "logs/observation_errors.log",
    localrule: True
    params:
        **options(),
    message:
        "Summing up the errors against measurements"
    shell:
        RUN


rule saturation_batches:
    input:
        **program("saturation_batches"),
        catalogue=CATALOGUE,
        laws=LAWS,
    output:
        f"{RESULTS}/saturation_batches.csv",
    log:
        "logs/saturation_batches.log",
    localrule: True
    params:
        **options(batch_sizes=sorted(SWEEP["batch_sizes"])),
    message:
        "Solving for the saturation batches"
    shell:
        RUN


rule exponent_fits:
    input:
        **program("exponent_fits"),
        models=expand(
            "config/models/{model}.yaml", model=sorted({*SWEEP["models"], *COUNTED})
        ),
        counts=expand("config/routing/{model}.csv", model=COUNTED),
    output:
        f"{RESULTS}/exponent_fits.csv",
    log:
        "logs/exponent_fits.log",
    localrule: True
    params:
        **options(),
    message:
        "Fitting exponents"
    shell:
        RUN


rule expert_savings_curves:
    input:
        **program("expert_savings_curves"),
        catalogue=CATALOGUE,
        laws=LAWS,
    output:
        f"{RESULTS}/expert_savings_curves.parquet",
    log:
        "logs/expert_savings_curves.log",
    localrule: True
    params:
        **options(
            provisions=sorted(SWEEP["provisions"]),
            layer_correlation=ASSUMPTIONS["layer_correlation"],
            max_batch=max(SWEEP["batch_sizes"]),
        ),
    message:
        "Drawing out the savings curves"
    shell:
        RUN


rule summary_statistics:
    input:
        **program("summary_statistics"),
        data=DATA,
    output:
        f"{RESULTS}/summary_statistics.csv",
    log:
        "logs/summary_statistics.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            gpu=REFERENCE["gpu"],
            precision=REFERENCE["precision"],
            models=SUMMARY["models"],
            batch_sizes=SUMMARY["batch_sizes"],
        ),
    message:
        "Summary statistics"
    shell:
        RUN


rule kv_extension_at_reference:
    input:
        **program("kv_extension_at_reference"),
        data=DATA,
        policies=POLICIES,
    output:
        f"{RESULTS}/kv_extension_at_reference.csv",
    log:
        "logs/kv_extension_at_reference.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            gpu=REFERENCE["gpu"],
            batch_size=REFERENCE["batch_size"],
        ),
    message:
        "KV extension at the reference point"
    shell:
        RUN


rule smallest_gpu_counts:
    input:
        **program("smallest_gpu_counts"),
        data=DATA,
        policies=POLICIES,
    output:
        f"{RESULTS}/smallest_gpu_counts.csv",
    log:
        "logs/smallest_gpu_counts.log",
    localrule: True
    params:
        **options(batch_size=REFERENCE["batch_size"]),
    message:
        "Fewest GPUs at the reference batch"
    shell:
        RUN


rule mean_extension_by_model:
    input:
        **program("mean_extension"),
        data=DATA,
        catalogue=CATALOGUE,
    output:
        f"{RESULTS}/mean_extension_by_model.csv",
    log:
        "logs/mean_extension_by_model.log",
    localrule: True
    params:
        **options(policy=REFERENCE["policy"], by="model"),
    message:
        "Mean extension by model"
    shell:
        RUN


rule mean_extension_by_expert_count:
    input:
        **program("mean_extension"),
        data=DATA,
        catalogue=CATALOGUE,
    output:
        f"{RESULTS}/mean_extension_by_expert_count.csv",
    log:
        "logs/mean_extension_by_expert_count.log",
    localrule: True
    params:
        **options(policy=REFERENCE["policy"], by="experts"),
    message:
        "Mean extension by expert count"
    shell:
        RUN


rule max_context:
    input:
        **program("max_context"),
        data=DATA,
    output:
        f"{RESULTS}/max_context_per_sequence.csv",
    log:
        "logs/max_context.log",
    localrule: True
    params:
        **options(precision=REFERENCE["precision"], provision=REFERENCE["provision"]),
    message:
        "Maximum context per sequence"
    shell:
        RUN


# Each result is a target by itself: one that a fault took away is written again, whatever stands downstream.
rule sweep_concurrency:
    input:
        **program("sweep_concurrency"),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        models=MODEL_FILES,
    output:
        CONCURRENCY,
    log:
        "logs/sweep_concurrency.log",
    # 150 MiB and 4 s: on a cluster a job of its own would wait longer than it works.
    localrule: True
    params:
        **options(
            sweep=AXES,
            assumptions=compact_json(ASSUMPTIONS),
            context_tokens=sorted(config["concurrency"]["context_tokens"]),
        ),
    message:
        "Searching the most sequences at once"
    shell:
        RUN


rule results:
    input:
        rules.sweep_concurrency.output,
        rules.join_shards.output,
        rules.describe_models.output,
        rules.describe_gpus.output,
        rules.describe_laws.output,
        rules.describe_policies.output,
        rules.describe_engines.output,
        rules.compare_observations.output,
        rules.observation_errors.output,
        rules.saturation_batches.output,
        rules.exponent_fits.output,
        rules.expert_savings_curves.output,
        rules.summary_statistics.output,
        rules.kv_extension_at_reference.output,
        rules.smallest_gpu_counts.output,
        rules.mean_extension_by_model.output,
        rules.mean_extension_by_expert_count.output,
        rules.max_context.output,
