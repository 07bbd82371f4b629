# What residency buys at equal memory: every policy at every precision, with the time of its steps


rule alternatives:
    input:
        **program("alternatives"),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        models=sorted(
            {*MODEL_FILES, *expand("config/models/{model}.yaml", model=TOKENS)}
        ),
        beside=[
            *COUNTS,
            *expand("config/routing/measured/{model}_caches.csv", model=TOKENS),
        ],
    output:
        f"{ALTERNATIVES}/alternatives.parquet",
        f"{ALTERNATIVES}/within_target.parquet",
    log:
        "logs/alternatives.log",
    # 300 MiB and a minute.
    localrule: True
    params:
        **options(
            study=compact_json(config["alternatives"]),
            latency=compact_json(config["latency"]),
            assumptions=compact_json(ASSUMPTIONS),
        ),
    message:
        "Comparing policies at equal memory"
    shell:
        RUN


rule residency_curves:
    input:
        **program("residency_curves"),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        models=expand(
            "config/models/{model}.yaml",
            model=sorted({case["model"] for case in config["alternatives"]["cases"]}),
        ),
    output:
        f"{ALTERNATIVES}/residency_curves.parquet",
        f"{ALTERNATIVES}/residency_needed.csv",
    log:
        "logs/residency_curves.log",
    localrule: True
    params:
        **options(
            study=compact_json(config["alternatives"]),
            latency=compact_json(config["latency"]),
            assumptions=compact_json(ASSUMPTIONS),
            routing=REFERENCE["routing"],
        ),
    message:
        "Finding what residency a latency takes"
    shell:
        RUN


rule latency_observed:
    input:
        **program("latency_observed"),
        runs="config/latency/offload.csv",
        steps="config/latency/decode_steps.csv",
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        models=expand("config/models/{model}.yaml", model=TIMED_MODELS),
    output:
        f"{ALTERNATIVES}/latency_observed.csv",
    log:
        "logs/latency_observed.log",
    localrule: True
    params:
        **options(
            latency=compact_json(config["latency"]),
            assumptions=compact_json(ASSUMPTIONS),
        ),
    message:
        "Bounding what others measured"
    shell:
        RUN


rule prophet_losses:
    input:
        **program("prophet_losses"),
        alternatives=rules.alternatives.output[0],
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        f"{ALTERNATIVES}/prophet_losses.csv",
    log:
        "logs/prophet_losses.log",
    localrule: True
    params:
        **options(routing=REFERENCE["routing"], provision=REFERENCE["provision"]),
    message:
        "Finding where Prophet loses"
    shell:
        RUN


rule alternatives_study:
    input:
        rules.alternatives.output,
        rules.residency_curves.output,
        rules.latency_observed.output,
        rules.prophet_losses.output,
