# A design space of millions of configurations, scattered into shards, counted lazily, drawn
localrules:
    describe_design_space,
    figure_design_space,


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
        script="scripts/sweep_design_space.py",
        library=library("sweep_design_space"),
        environment=ENVIRONMENT,
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
        assumptions=compact_json(ASSUMPTIONS),
        number=lambda wildcards: int(wildcards.shard),
        progress="logs/sweep_design_space/{shard}.rows",
    message:
        "Sweeping shard {wildcards.shard} of the design space"
    shell:
        "python3 {input.script} {input.models} --design {input.design} --gpus {input.gpus}"
        " --shard {params.number} --assumptions {params.assumptions:q} --progress {params.progress}"
        " --output {output.shard} 2> {log}"


rule describe_design_space:
    input:
        script="scripts/describe_design_space.py",
        library=library("describe_design_space"),
        environment=ENVIRONMENT,
        design=DESIGN_SPACE,
        gpus="config/gpus.yaml",
        models=DESIGN_MODELS,
    output:
        f"{DESIGN_RESULTS}/architectures.parquet",
    log:
        "logs/describe_design_space.log",
    message:
        "Counting the models of the design space"
    shell:
        "python3 {input.script} {input.models} --design {input.design} --gpus {input.gpus}"
        " --output {output} 2> {log}"


rule design_space_doubling:
    input:
        script="scripts/design_space_doubling.py",
        library=library("design_space_doubling"),
        environment=ENVIRONMENT,
        design=DESIGN_SPACE,
        gpus="config/gpus.yaml",
        models=DESIGN_MODELS,
        architectures=rules.describe_design_space.output,
        shards=expand(f"{POINTS}.parquet", shard=SHARD_NUMBERS),
        sidecars=expand(f"{POINTS}.json", shard=SHARD_NUMBERS),
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
    message:
        "Counting where Prophet at least doubles the KV capacity"
    shell:
        "python3 {input.script} {input.models} --shards {input.shards} --architectures {input.architectures}"
        " --design {input.design} --gpus {input.gpus} --by-load {output.by_load}"
        " --by-sparsity {output.by_sparsity} 2> {log}"


rule figure_design_space:
    input:
        script="scripts/figure_design_space.py",
        library=library("figure_design_space"),
        environment=ENVIRONMENT,
        by_load=rules.design_space_doubling.output.by_load,
        by_sparsity=rules.design_space_doubling.output.by_sparsity,
    output:
        f"{DESIGN_FIGURES}/figure_design_space.pdf",
        report(
            f"{DESIGN_FIGURES}/figure_design_space.png",
            caption="../report/figure_design_space.rst",
            category="Figures",
        ),
    log:
        "logs/figure_design_space.log",
    params:
        precision=DESIGN["figure_precision"],
        load_steps=DESIGN["load_steps"],
        exponent=ASSUMPTIONS["power_law_exponent"],
    message:
        "Drawing the design space"
    shell:
        "python3 {input.script} --by-load {input.by_load} --by-sparsity {input.by_sparsity}"
        " --precision {params.precision} --load-steps {params.load_steps}"
        " --power-law-exponent {params.exponent} --output {output} 2> {log}"
