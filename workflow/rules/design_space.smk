# A design space of millions of configurations, scattered into shards, each counting its own rows, drawn

DESIGN_SPACE = "config/design_space.yaml"
DESIGN = run(lambda: read_design_space(MODEL_NAMES, read_gpus()))
DESIGN_RESULTS = "evaluation/memory_results/design_space"
DESIGN_FIGURES = "evaluation/figures/design_space"
DESIGN_MODELS = expand("config/models/{model}.yaml", model=DESIGN.models)
POINTS = f"{DESIGN_RESULTS}/points/shard={{shard}}/points"
COUNTS = f"{DESIGN_RESULTS}/points/shard={{shard}}/counts"
SHARD_NUMBERS = [f"{shard:04}" for shard in range(DESIGN.shards)]


rule sweep_design_space:
    input:
        **program("sweep_design_space"),
        design=DESIGN_SPACE,
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        models=DESIGN_MODELS,
    output:
        shard=f"{POINTS}.parquet",
        sidecar=f"{POINTS}.json",
        counts=f"{COUNTS}.parquet",
    log:
        "logs/sweep_design_space/{shard}.log",
    threads: 1
    resources:
        **PLACE,
        # Seen: 250 MiB whatever the size of the shard, beside Snakemake's own as above; 2 s.
        mem_mb=memory(1500),
        runtime=30,
    params:
        **options(
            assumptions=compact_json(ASSUMPTIONS),
            shard=lambda wildcards: int(wildcards.shard),
            progress=lambda wildcards: f"logs/sweep_design_space/{wildcards.shard}.rows",
        ),
    message:
        "Sweeping shard {wildcards.shard} of the design space"
    shell:
        "python3 {input.script} {params.command_line} --counts {output.counts} --output {output.shard} 2> {log}"


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
        **options(),
    message:
        "Counting the models of the design space"
    shell:
        RUN


rule describe_design_space_laws:
    input:
        **program("describe_laws"),
    output:
        f"{DESIGN_RESULTS}/law_catalogue.csv",
    log:
        "logs/describe_design_space_laws.log",
    localrule: True
    params:
        **options(routings=compact_json([law.specification for law in DESIGN.routings])),
    message:
        "Listing the routing laws of the design space"
    shell:
        RUN


rule design_space_doubling:
    input:
        **program("design_space_doubling"),
        counts=expand(f"{COUNTS}.parquet", shard=SHARD_NUMBERS),
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
        # Seen: 150 MiB, 1 s: it adds up what each shard has counted.
        mem_mb=memory(1000),
        runtime=10,
    params:
        **options(promised=DESIGN.rows_of_shards),
    message:
        "Counting where Prophet at least doubles the KV capacity"
    shell:
        "python3 {input.script} {params.command_line}"
        " --by-load {output.by_load} --by-sparsity {output.by_sparsity} 2> {log}"


rule figure_design_space:
    input:
        **program("figure_design_space"),
        by_load=rules.design_space_doubling.output.by_load,
        by_sparsity=rules.design_space_doubling.output.by_sparsity,
        laws=rules.describe_design_space_laws.output,
    output:
        figure("figure_design_space", DESIGN_FIGURES),
    log:
        "logs/figure_design_space.log",
    localrule: True
    params:
        **options(
            precision=DESIGN.figure_precision,
            load_steps=DESIGN.load_steps,
            policy=compact_json([DESIGN.policy.specification]),
        ),
    message:
        "Drawing the design space"
    shell:
        RUN
