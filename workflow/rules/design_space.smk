# A design space of millions of configurations, scattered into shards, counted lazily, drawn

DESIGN_SPACE = "config/design_space.yaml"
MODEL_NAMES = glob_wildcards("config/models/{model}.yaml").model
DESIGN = run(lambda: read_design_space(MODEL_NAMES, read_gpus()))
DESIGN_RESULTS = "evaluation/memory_results/design_space"
DESIGN_FIGURES = "evaluation/figures/design_space"
DESIGN_MODELS = expand("config/models/{model}.yaml", model=DESIGN["models"])
POINTS = f"{DESIGN_RESULTS}/points/shard={{shard}}/points"
SHARD_NUMBERS = [f"{shard:04}" for shard in range(DESIGN["shards"])]


rule sweep_design_space:
    input:
        **program("sweep_design_space"),
        design=DESIGN_SPACE,
        gpus="config/gpus.yaml",
        models=DESIGN_MODELS,
    output:
        shard=f"{POINTS}.parquet",
        sidecar=f"{POINTS}.json",
    log:
        "logs/sweep_design_space/{shard}.log",
    threads: 1
    resources:
        **PLACE,
        # Seen: 250 MiB whatever the size of the shard, beside Snakemake's own as above; 2 s.
        mem_mb=memory(1500),
        runtime=30,
    params:
        options=options(
            assumptions=compact_json(ASSUMPTIONS),
            shard=lambda wildcards: int(wildcards.shard),
            progress=lambda wildcards: f"logs/sweep_design_space/{wildcards.shard}.rows",
        ),
    message:
        "Sweeping shard {wildcards.shard} of the design space"
    shell:
        "python3 {input.script} {params.options} --output {output.shard} 2> {log}"


rule describe_design_space:
    input:
        **program("describe_design_space"),
        design=DESIGN_SPACE,
        gpus="config/gpus.yaml",
        models=DESIGN_MODELS,
    output:
        f"{DESIGN_RESULTS}/architectures.parquet",
    log:
        "logs/describe_design_space.log",
    localrule: True
    params:
        options=options(),
    message:
        "Counting the models of the design space"
    shell:
        RUN


rule design_space_doubling:
    input:
        **program("design_space_doubling"),
        design=DESIGN_SPACE,
        gpus="config/gpus.yaml",
        models=DESIGN_MODELS,
        architectures=rules.describe_design_space.output,
        shards=expand(f"{POINTS}.parquet", shard=SHARD_NUMBERS),
        beside=expand(f"{POINTS}.json", shard=SHARD_NUMBERS),
    output:
        by_load=f"{DESIGN_RESULTS}/doubling_by_load.csv",
        by_sparsity=f"{DESIGN_RESULTS}/doubling_by_sparsity.csv",
    log:
        "logs/design_space_doubling.log",
    threads: 1
    resources:
        **PLACE,
        # Seen: 380 MiB for 59 million rows, read as a stream; 5 s.
        mem_mb=memory(2000),
        runtime=60,
    params:
        options=options(),
    message:
        "Counting where Prophet at least doubles the KV capacity"
    shell:
        "python3 {input.script} {params.options}"
        " --by-load {output.by_load} --by-sparsity {output.by_sparsity} 2> {log}"


rule figure_design_space:
    input:
        **program("figure_design_space"),
        by_load=rules.design_space_doubling.output.by_load,
        by_sparsity=rules.design_space_doubling.output.by_sparsity,
    output:
        figure("figure_design_space", DESIGN_FIGURES),
    log:
        "logs/figure_design_space.log",
    localrule: True
    params:
        options=options(
            precision=DESIGN["figure_precision"],
            load_steps=DESIGN["load_steps"],
            power_law_exponent=ASSUMPTIONS["power_law_exponent"],
        ),
    message:
        "Drawing the design space"
    shell:
        RUN
