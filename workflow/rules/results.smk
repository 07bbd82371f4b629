# The catalogue resolved, and what is read off the long table
localrules:
    describe_models,
    describe_gpus,
    saturation_batches,
    expert_savings_curves,
    summary_statistics,
    kv_extension_at_reference,
    smallest_gpu_counts,
    mean_extension_by_model,
    mean_extension_by_expert_count,
    max_context,


rule describe_models:
    input:
        script="scripts/describe_models.py",
        library=library("describe_models"),
        environment=ENVIRONMENT,
        models=MODEL_FILES,
    output:
        CATALOGUE,
    log:
        "logs/describe_models.log",
    params:
        groups=PAPER["expert_count_groups"],
        kv=ASSUMPTIONS["kv_format"],
        state=ASSUMPTIONS["state_format"],
    message:
        "Counting the parameters of every model"
    shell:
        "python3 {input.script} {input.models} --expert-count-groups {params.groups}"
        " --kv-format {params.kv} --state-format {params.state} --output {output} 2> {log}"


rule describe_gpus:
    input:
        script="scripts/describe_gpus.py",
        library=library("describe_gpus"),
        environment=ENVIRONMENT,
        gpus="config/gpus.yaml",
    output:
        GPU_CATALOGUE,
    log:
        "logs/describe_gpus.log",
    params:
        names=sorted(SWEEP["gpus"]),
    message:
        "Listing the GPUs"
    shell:
        "python3 {input.script} --gpus-file {input.gpus} --gpus {params.names} --output {output} 2> {log}"


rule saturation_batches:
    input:
        script="scripts/saturation_batches.py",
        library=library("saturation_batches"),
        environment=ENVIRONMENT,
        catalogue=CATALOGUE,
    output:
        f"{RESULTS}/saturation_batches.csv",
    log:
        "logs/saturation_batches.log",
    params:
        exponent=ASSUMPTIONS["power_law_exponent"],
        batch_sizes=sorted(SWEEP["batch_sizes"]),
    message:
        "Solving for the saturation batches"
    shell:
        "python3 {input.script} --catalogue {input.catalogue} --power-law-exponent {params.exponent}"
        " --batch-sizes {params.batch_sizes} --output {output} 2> {log}"


rule expert_savings_curves:
    input:
        script="scripts/expert_savings_curves.py",
        library=library("expert_savings_curves"),
        environment=ENVIRONMENT,
        catalogue=CATALOGUE,
    output:
        f"{RESULTS}/expert_savings_curves.parquet",
    log:
        "logs/expert_savings_curves.log",
    params:
        exponent=ASSUMPTIONS["power_law_exponent"],
        routings=sorted(SWEEP["routings"]),
        max_batch=max(SWEEP["batch_sizes"]),
    message:
        "Drawing out the savings curves"
    shell:
        "python3 {input.script} --catalogue {input.catalogue} --power-law-exponent {params.exponent}"
        " --routings {params.routings} --max-batch {params.max_batch} --output {output} 2> {log}"


rule summary_statistics:
    input:
        script="scripts/summary_statistics.py",
        library=library("summary_statistics"),
        environment=ENVIRONMENT,
        data=DATA,
    output:
        f"{RESULTS}/summary_statistics.csv",
    log:
        "logs/summary_statistics.log",
    params:
        gpu=REFERENCE["gpu"],
        precision=REFERENCE["precision"],
        models=SUMMARY["models"],
        batch_sizes=SUMMARY["batch_sizes"],
    message:
        "Summary statistics"
    shell:
        "python3 {input.script} --data {input.data} --gpu {params.gpu} --precision {params.precision}"
        " --models {params.models} --batch-sizes {params.batch_sizes} --output {output} 2> {log}"


rule kv_extension_at_reference:
    input:
        script="scripts/kv_extension_at_reference.py",
        library=library("kv_extension_at_reference"),
        environment=ENVIRONMENT,
        data=DATA,
    output:
        f"{RESULTS}/kv_extension_at_reference.csv",
    log:
        "logs/kv_extension_at_reference.log",
    params:
        gpu=REFERENCE["gpu"],
        batch_size=REFERENCE["batch_size"],
    message:
        "KV extension at {params.gpu}, batch {params.batch_size}"
    shell:
        "python3 {input.script} --data {input.data} --gpu {params.gpu} --batch-size {params.batch_size}"
        " --output {output} 2> {log}"


rule smallest_gpu_counts:
    input:
        script="scripts/smallest_gpu_counts.py",
        library=library("smallest_gpu_counts"),
        environment=ENVIRONMENT,
        data=DATA,
    output:
        f"{RESULTS}/smallest_gpu_counts.csv",
    log:
        "logs/smallest_gpu_counts.log",
    params:
        batch_size=REFERENCE["batch_size"],
    message:
        "Fewest GPUs at batch {params.batch_size}"
    shell:
        "python3 {input.script} --data {input.data} --batch-size {params.batch_size} --output {output} 2> {log}"


rule mean_extension_by_model:
    input:
        script="scripts/mean_extension.py",
        library=library("mean_extension"),
        environment=ENVIRONMENT,
        data=DATA,
        catalogue=CATALOGUE,
    output:
        f"{RESULTS}/mean_extension_by_model.csv",
    log:
        "logs/mean_extension_by_model.log",
    message:
        "Mean extension by model"
    shell:
        "python3 {input.script} --data {input.data} --catalogue {input.catalogue} --by model"
        " --output {output} 2> {log}"


rule mean_extension_by_expert_count:
    input:
        script="scripts/mean_extension.py",
        library=library("mean_extension"),
        environment=ENVIRONMENT,
        data=DATA,
        catalogue=CATALOGUE,
    output:
        f"{RESULTS}/mean_extension_by_expert_count.csv",
    log:
        "logs/mean_extension_by_expert_count.log",
    message:
        "Mean extension by expert count"
    shell:
        "python3 {input.script} --data {input.data} --catalogue {input.catalogue} --by experts"
        " --output {output} 2> {log}"


rule max_context:
    input:
        script="scripts/max_context.py",
        library=library("max_context"),
        environment=ENVIRONMENT,
        data=DATA,
    output:
        f"{RESULTS}/max_context_per_sequence.csv",
    log:
        "logs/max_context.log",
    params:
        precision=REFERENCE["precision"],
    message:
        "Maximum context per sequence"
    shell:
        "python3 {input.script} --data {input.data} --precision {params.precision} --output {output} 2> {log}"


# Each result is a target by itself: one that a fault took away is written again, whatever stands downstream.
rule results:
    input:
        rules.join_shards.output,
        rules.describe_models.output,
        rules.describe_gpus.output,
        rules.saturation_batches.output,
        rules.expert_savings_curves.output,
        rules.summary_statistics.output,
        rules.kv_extension_at_reference.output,
        rules.smallest_gpu_counts.output,
        rules.mean_extension_by_model.output,
        rules.mean_extension_by_expert_count.output,
        rules.max_context.output,
