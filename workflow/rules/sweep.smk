# config -> architecture -> one shard of the results per model -> the long table

SHARDS = f"{RESULTS}/shards"
AXES = compact_json(
    {axis: values for axis, values in SWEEP.items() if axis != "models"}
)


rule sweep_model:
    input:
        **program("sweep_model"),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
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
        **options(sweep=AXES, assumptions=compact_json(ASSUMPTIONS)),
    message:
        "Sweeping {wildcards.model}"
    shell:
        "python3 {input.script} {params.command_line} --output {output.shard} 2> {log}"


rule join_shards:
    input:
        **program("join_shards"),
        shards=expand(f"{SHARDS}/{{model}}.parquet", model=SWEEP["models"]),
        beside=expand(f"{SHARDS}/{{model}}.json", model=SWEEP["models"]),
    output:
        DATA,
        DATA_FOR_PEOPLE,
    log:
        "logs/join_shards.log",
    localrule: True
    params:
        **options(sweep=AXES),
    message:
        "Joining the shards"
    shell:
        RUN


# Targets of their own, so that a fresh clone, where they are not committed, regenerates everything.
rule sweep:
    input:
        rules.join_shards.input.shards,
        rules.join_shards.input.beside,
