# What the paper shows as LaTeX tables
localrules:
    table_model_catalogue,
    table_saturation_thresholds,
    table_savings_by_batch,
    table_kv_extension,
    table_extension_by_expert_count,
    table_summary_statistics,
    table_multi_gpu,
    table_claims,
    table_claims_summary,


rule table_model_catalogue:
    input:
        script="scripts/table_model_catalogue.py",
        library=library("table_model_catalogue"),
        environment=ENVIRONMENT,
        catalogue=CATALOGUE,
    output:
        f"{TABLES}/table_model_catalogue.tex",
    log:
        "logs/table_model_catalogue.log",
    message:
        "Writing table_model_catalogue"
    shell:
        "python3 {input.script} --catalogue {input.catalogue} --output {output} 2> {log}"


rule table_saturation_thresholds:
    input:
        script="scripts/table_saturation_thresholds.py",
        library=library("table_saturation_thresholds"),
        environment=ENVIRONMENT,
        saturation=f"{RESULTS}/saturation_batches.csv",
    output:
        f"{TABLES}/table_saturation_thresholds.tex",
    log:
        "logs/table_saturation_thresholds.log",
    params:
        power_law_exponent=ASSUMPTIONS["power_law_exponent"],
    message:
        "Writing table_saturation_thresholds"
    shell:
        "python3 {input.script} --saturation {input.saturation}"
        " --power-law-exponent {params.power_law_exponent} --output {output} 2> {log}"


rule table_savings_by_batch:
    input:
        script="scripts/table_savings_by_batch.py",
        library=library("table_savings_by_batch"),
        environment=ENVIRONMENT,
        curves=f"{RESULTS}/expert_savings_curves.parquet",
        catalogue=CATALOGUE,
    output:
        f"{TABLES}/table_savings_by_batch.tex",
    log:
        "logs/table_savings_by_batch.log",
    params:
        batch_sizes=sorted(SWEEP["batch_sizes"]),
    message:
        "Writing table_savings_by_batch"
    shell:
        "python3 {input.script} --curves {input.curves} --catalogue {input.catalogue}"
        " --batch-sizes {params.batch_sizes} --output {output} 2> {log}"


rule table_kv_extension:
    input:
        script="scripts/table_kv_extension.py",
        library=library("table_kv_extension"),
        environment=ENVIRONMENT,
        reference=f"{RESULTS}/kv_extension_at_reference.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        f"{TABLES}/table_kv_extension.tex",
    log:
        "logs/table_kv_extension.log",
    params:
        gpu=REFERENCE["gpu"],
        batch_size=REFERENCE["batch_size"],
        precision=REFERENCE["precision"],
    message:
        "Writing table_kv_extension"
    shell:
        "python3 {input.script} --reference {input.reference} --catalogue {input.catalogue}"
        " --gpu-catalogue {input.gpu_catalogue} --gpu {params.gpu} --batch-size {params.batch_size} --precision {params.precision} --output {output} 2> {log}"


rule table_extension_by_expert_count:
    input:
        script="scripts/table_extension_by_expert_count.py",
        library=library("table_extension_by_expert_count"),
        environment=ENVIRONMENT,
        by_experts=f"{RESULTS}/mean_extension_by_expert_count.csv",
    output:
        f"{TABLES}/table_extension_by_expert_count.tex",
    log:
        "logs/table_extension_by_expert_count.log",
    params:
        precision=REFERENCE["precision"],
    message:
        "Writing table_extension_by_expert_count"
    shell:
        "python3 {input.script} --by-experts {input.by_experts} --precision {params.precision}"
        " --output {output} 2> {log}"


rule table_summary_statistics:
    input:
        script="scripts/table_summary_statistics.py",
        library=library("table_summary_statistics"),
        environment=ENVIRONMENT,
        summary=f"{RESULTS}/summary_statistics.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        f"{TABLES}/table_summary_statistics.tex",
    log:
        "logs/table_summary_statistics.log",
    params:
        gpu=REFERENCE["gpu"],
        precision=REFERENCE["precision"],
    message:
        "Writing table_summary_statistics"
    shell:
        "python3 {input.script} --summary {input.summary} --catalogue {input.catalogue}"
        " --gpu-catalogue {input.gpu_catalogue} --gpu {params.gpu} --precision {params.precision} --output {output} 2> {log}"


rule table_multi_gpu:
    input:
        script="scripts/table_multi_gpu.py",
        library=library("table_multi_gpu"),
        environment=ENVIRONMENT,
        smallest=f"{RESULTS}/smallest_gpu_counts.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        f"{TABLES}/table_multi_gpu.tex",
    log:
        "logs/table_multi_gpu.log",
    params:
        gpus=PAPER["multi_gpu"]["gpus"],
        n_gpus=sorted(SWEEP["n_gpus"]),
        batch_size=REFERENCE["batch_size"],
        precision=REFERENCE["precision"],
    message:
        "Writing table_multi_gpu"
    shell:
        "python3 {input.script} --smallest {input.smallest} --catalogue {input.catalogue}"
        " --gpu-catalogue {input.gpu_catalogue} --gpus {params.gpus} --n-gpus {params.n_gpus}"
        " --batch-size {params.batch_size} --precision {params.precision} --output {output} 2> {log}"


rule table_claims:
    input:
        script="scripts/table_claims.py",
        library=library("table_claims"),
        environment=ENVIRONMENT,
        claims=f"{RESULTS}/claims.csv",
    output:
        f"{TABLES}/table_claims.tex",
    log:
        "logs/table_claims.log",
    message:
        "Writing table_claims"
    shell:
        "python3 {input.script} --claims {input.claims} --output {output} 2> {log}"


rule table_claims_summary:
    input:
        script="scripts/table_claims_summary.py",
        library=library("table_claims_summary"),
        environment=ENVIRONMENT,
        summary=f"{RESULTS}/claims_summary.csv",
    output:
        f"{TABLES}/table_claims_summary.tex",
    log:
        "logs/table_claims_summary.log",
    message:
        "Writing table_claims_summary"
    shell:
        "python3 {input.script} --summary {input.summary} --output {output} 2> {log}"


rule tables:
    input:
        rules.table_model_catalogue.output,
        rules.table_saturation_thresholds.output,
        rules.table_savings_by_batch.output,
        rules.table_kv_extension.output,
        rules.table_extension_by_expert_count.output,
        rules.table_summary_statistics.output,
        rules.table_multi_gpu.output,
        rules.table_claims.output,
        rules.table_claims_summary.output,
