# What nobody knows for sure, varied: one at a time and all together


rule sensitivity:
    input:
        **program("sensitivity"),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        models=expand(
            "config/models/{model}.yaml",
            model=sorted({case["model"] for case in config["sensitivity"]["cases"]}),
        ),
    output:
        f"{SENSITIVITY}/one_at_a_time.csv",
        f"{SENSITIVITY}/sobol.csv",
    log:
        "logs/sensitivity.log",
    # 190 MiB and half a minute.
    localrule: True
    params:
        **options(
            sensitivity=compact_json(config["sensitivity"]),
            assumptions=compact_json(ASSUMPTIONS),
            precision=REFERENCE["precision"],
            provision=REFERENCE["provision"],
        ),
    message:
        "Varying what is assumed"
    shell:
        RUN
