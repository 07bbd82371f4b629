# config -> architecture -> one shard of the results per model -> the long table


rule sweep_model:
    input:
        script="scripts/sweep_model.py",
        library=MODEL_LIBRARY + CONFIG_EDGE,
        environment=ENVIRONMENT,
        gpus="config/gpus.yaml",
        model="config/models/{model}.yaml",
    output:
        f"{RESULTS}/shards/{{model}}.parquet",
    log:
        "logs/sweep_model/{model}.log",
    params:
        sweep=compact_json(
            {axis: values for axis, values in SWEEP.items() if axis != "models"}
        ),
        assumptions=compact_json(ASSUMPTIONS),
    message:
        "Sweeping {wildcards.model}"
    shell:
        "python3 {input.script} --model {input.model} --gpus {input.gpus}"
        " --sweep {params.sweep:q} --assumptions {params.assumptions:q} --output {output} 2> {log}"


rule join_shards:
    input:
        script="scripts/join_shards.py",
        library=EDGE,
        environment=ENVIRONMENT,
        shards=expand(f"{RESULTS}/shards/{{model}}.parquet", model=SWEEP["models"]),
    output:
        DATA,
        f"{RESULTS}/prophet_kv_extension_data.csv",
    log:
        "logs/join_shards.log",
    params:
        rows=prod(len(values) for axis, values in SWEEP.items() if axis != "models"),
    message:
        "Joining the shards"
    shell:
        "python3 {input.script} {input.shards} --rows-per-shard {params.rows} --output {output} 2> {log}"
