# The sweep under an engine's profile that was held against measurements, on one GPU, and what claims and prose ask of it

PROFILE_DATA = f"{PROFILE_RESULTS}/prophet_kv_extension_data.parquet"
PROFILE_ASSUMPTIONS = compact_json({**ASSUMPTIONS, "engine": PAPER["profile"]})
PROFILE_AXES = compact_json({**json.loads(AXES), "n_gpus": [1]})


rule sweep_profile:
    input:
        **program("sweep_profile"),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        models=MODEL_FILES,
    output:
        PROFILE_DATA,
    log:
        "logs/sweep_profile.log",
    localrule: True
    params:
        **options(sweep=PROFILE_AXES, assumptions=PROFILE_ASSUMPTIONS),
    message:
        "Sweeping under an engine's profile"
    shell:
        RUN


rule profile_concurrency:
    input:
        **program("sweep_concurrency"),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        models=MODEL_FILES,
    output:
        f"{PROFILE_RESULTS}/concurrency.parquet",
    log:
        "logs/profile_concurrency.log",
    localrule: True
    params:
        **options(
            sweep=PROFILE_AXES,
            assumptions=PROFILE_ASSUMPTIONS,
            context_tokens=sorted(config["concurrency"]["context_tokens"]),
            leave_out=True,
        ),
    message:
        "Searching the most sequences at once under an engine's profile"
    shell:
        RUN


rule profile_summary_statistics:
    input:
        **program("summary_statistics"),
        data=PROFILE_DATA,
    output:
        f"{PROFILE_RESULTS}/summary_statistics.csv",
    log:
        "logs/profile_summary_statistics.log",
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
        "Summary statistics under an engine's profile"
    shell:
        RUN


rule profile_mean_extension:
    input:
        **program("mean_extension"),
        data=PROFILE_DATA,
        catalogue=CATALOGUE,
    output:
        f"{PROFILE_RESULTS}/mean_extension_by_model.csv",
    log:
        "logs/profile_mean_extension.log",
    localrule: True
    params:
        **options(policy=REFERENCE["policy"], by="model"),
    message:
        "Mean extension by model under an engine's profile"
    shell:
        RUN


rule profile:
    input:
        rules.sweep_profile.output,
        rules.profile_concurrency.output,
        rules.profile_summary_statistics.output,
        rules.profile_mean_extension.output,
