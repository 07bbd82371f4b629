# config -> architecture -> one shard of the results per model -> the long table
localrules:
    join_shards,


SHARDS = f"{RESULTS}/shards"
AXES = compact_json(
    {axis: values for axis, values in SWEEP.items() if axis != "models"}
)


rule sweep_model:
    input:
        script="scripts/sweep_model.py",
        library=library("sweep_model"),
        environment=ENVIRONMENT,
        gpus="config/gpus.yaml",
        model="config/models/{model}.yaml",
    output:
        shard=f"{SHARDS}/{{model}}.parquet",
        sidecar=f"{SHARDS}/{{model}}.json",
    log:
        "logs/sweep_model/{model}.log",
    threads: 1
    resources:
        **PLACE,
        # Seen: 90 MiB, beside up to three processes of Snakemake's with 170 MiB each; 1 s.
        mem_mb=memory(1000),
        runtime=5,
    params:
        sweep=AXES,
        assumptions=compact_json(ASSUMPTIONS),
    message:
        "Sweeping {wildcards.model}"
    shell:
        "python3 {input.script} --model {input.model} --gpus {input.gpus}"
        " --sweep {params.sweep:q} --assumptions {params.assumptions:q} --output {output.shard} 2> {log}"


rule join_shards:
    input:
        script="scripts/join_shards.py",
        library=library("join_shards"),
        environment=ENVIRONMENT,
        shards=expand(f"{SHARDS}/{{model}}.parquet", model=SWEEP["models"]),
        sidecars=expand(f"{SHARDS}/{{model}}.json", model=SWEEP["models"]),
    output:
        DATA,
        DATA_FOR_PEOPLE,
    log:
        "logs/join_shards.log",
    params:
        sweep=AXES,
    message:
        "Joining the shards"
    shell:
        "python3 {input.script} {input.shards} --sweep {params.sweep:q} --output {output} 2> {log}"


# Targets of their own, so that a fresh clone, where they are not committed, regenerates everything.
rule sweep:
    input:
        rules.join_shards.input.shards,
        rules.join_shards.input.sidecars,
