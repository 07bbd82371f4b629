# What the paper shows as pictures, each as PDF and PNG
localrules:
    figure1_detailed_memory_breakdown,
    figure2_kv_extension_by_model,
    figure3_extension_vs_batch,
    figure4_savings_heatmap,
    figure5_expert_count,
    figure6_savings_vs_batch_by_experts,
    figure7_multi_gpu,


rule figure1_detailed_memory_breakdown:
    input:
        script="scripts/figure1_detailed_memory_breakdown.py",
        library=library("figure1_detailed_memory_breakdown"),
        environment=ENVIRONMENT,
        data=DATA,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        f"{FIGURES}/figure1_detailed_memory_breakdown.pdf",
        report(
            f"{FIGURES}/figure1_detailed_memory_breakdown.png",
            caption="../report/figure1_detailed_memory_breakdown.rst",
            category="Figures",
        ),
    log:
        "logs/figure1_detailed_memory_breakdown.log",
    params:
        gpu=REFERENCE["gpu"],
        batch_size=REFERENCE["batch_size"],
        precision=REFERENCE["precision"],
        models=PAPER["breakdown_models"],
    message:
        "Drawing Figure 1"
    shell:
        "python3 {input.script} --data {input.data} --catalogue {input.catalogue}"
        " --gpu-catalogue {input.gpu_catalogue} --gpu {params.gpu} --batch-size {params.batch_size}"
        " --precision {params.precision} --models {params.models} --output {output} 2> {log}"


rule figure2_kv_extension_by_model:
    input:
        script="scripts/figure2_kv_extension_by_model.py",
        library=library("figure2_kv_extension_by_model"),
        environment=ENVIRONMENT,
        reference=f"{RESULTS}/kv_extension_at_reference.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        f"{FIGURES}/figure2_kv_extension_by_model.pdf",
        report(
            f"{FIGURES}/figure2_kv_extension_by_model.png",
            caption="../report/figure2_kv_extension_by_model.rst",
            category="Figures",
        ),
    log:
        "logs/figure2_kv_extension_by_model.log",
    params:
        gpu=REFERENCE["gpu"],
        batch_size=REFERENCE["batch_size"],
        precision=REFERENCE["precision"],
    message:
        "Drawing Figure 2"
    shell:
        "python3 {input.script} --reference {input.reference} --catalogue {input.catalogue}"
        " --gpu-catalogue {input.gpu_catalogue} --gpu {params.gpu} --batch-size {params.batch_size} --precision {params.precision} --output {output} 2> {log}"


rule figure3_extension_vs_batch:
    input:
        script="scripts/figure3_extension_vs_batch.py",
        library=library("figure3_extension_vs_batch"),
        environment=ENVIRONMENT,
        data=DATA,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        f"{FIGURES}/figure3_extension_vs_batch.pdf",
        report(
            f"{FIGURES}/figure3_extension_vs_batch.png",
            caption="../report/figure3_extension_vs_batch.rst",
            category="Figures",
        ),
    log:
        "logs/figure3_extension_vs_batch.log",
    params:
        gpu=REFERENCE["gpu"],
        precision=REFERENCE["precision"],
    message:
        "Drawing Figure 3"
    shell:
        "python3 {input.script} --data {input.data} --catalogue {input.catalogue}"
        " --gpu-catalogue {input.gpu_catalogue} --gpu {params.gpu} --precision {params.precision}"
        " --output {output} 2> {log}"


rule figure4_savings_heatmap:
    input:
        script="scripts/figure4_savings_heatmap.py",
        library=library("figure4_savings_heatmap"),
        environment=ENVIRONMENT,
        curves=f"{RESULTS}/expert_savings_curves.parquet",
        catalogue=CATALOGUE,
    output:
        f"{FIGURES}/figure4_savings_heatmap.pdf",
        report(
            f"{FIGURES}/figure4_savings_heatmap.png",
            caption="../report/figure4_savings_heatmap.rst",
            category="Figures",
        ),
    log:
        "logs/figure4_savings_heatmap.log",
    params:
        batch_sizes=sorted(SWEEP["batch_sizes"]),
    message:
        "Drawing Figure 4"
    shell:
        "python3 {input.script} --curves {input.curves} --catalogue {input.catalogue}"
        " --batch-sizes {params.batch_sizes} --output {output} 2> {log}"


rule figure5_expert_count:
    input:
        script="scripts/figure5_expert_count.py",
        library=library("figure5_expert_count"),
        environment=ENVIRONMENT,
        by_model=f"{RESULTS}/mean_extension_by_model.csv",
        by_experts=f"{RESULTS}/mean_extension_by_expert_count.csv",
    output:
        f"{FIGURES}/figure5_expert_count.pdf",
        report(
            f"{FIGURES}/figure5_expert_count.png",
            caption="../report/figure5_expert_count.rst",
            category="Figures",
        ),
    log:
        "logs/figure5_expert_count.log",
    params:
        precision=REFERENCE["precision"],
    message:
        "Drawing Figure 5"
    shell:
        "python3 {input.script} --by-model {input.by_model} --by-experts {input.by_experts}"
        " --precision {params.precision} --output {output} 2> {log}"


rule figure6_savings_vs_batch_by_experts:
    input:
        script="scripts/figure6_savings_vs_batch_by_experts.py",
        library=library("figure6_savings_vs_batch_by_experts"),
        environment=ENVIRONMENT,
        catalogue=CATALOGUE,
        curves=f"{RESULTS}/expert_savings_curves.parquet",
    output:
        f"{FIGURES}/figure6_savings_vs_batch_by_experts.pdf",
        report(
            f"{FIGURES}/figure6_savings_vs_batch_by_experts.png",
            caption="../report/figure6_savings_vs_batch_by_experts.rst",
            category="Figures",
        ),
    log:
        "logs/figure6_savings_vs_batch_by_experts.log",
    params:
        batch_sizes=sorted(SWEEP["batch_sizes"]),
    message:
        "Drawing Figure 6"
    shell:
        "python3 {input.script} --catalogue {input.catalogue} --curves {input.curves}"
        " --batch-sizes {params.batch_sizes} --output {output} 2> {log}"


rule figure7_multi_gpu:
    input:
        script="scripts/figure7_multi_gpu.py",
        library=library("figure7_multi_gpu"),
        environment=ENVIRONMENT,
        smallest=f"{RESULTS}/smallest_gpu_counts.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        f"{FIGURES}/figure7_multi_gpu.pdf",
        report(
            f"{FIGURES}/figure7_multi_gpu.png",
            caption="../report/figure7_multi_gpu.rst",
            category="Figures",
        ),
    log:
        "logs/figure7_multi_gpu.log",
    params:
        n_gpus=sorted(SWEEP["n_gpus"]),
        batch_size=REFERENCE["batch_size"],
        precision=REFERENCE["precision"],
    message:
        "Drawing Figure 7"
    shell:
        "python3 {input.script} --smallest {input.smallest} --catalogue {input.catalogue}"
        " --gpu-catalogue {input.gpu_catalogue} --n-gpus {params.n_gpus} --batch-size {params.batch_size}"
        " --precision {params.precision} --output {output} 2> {log}"


rule figures:
    input:
        rules.figure1_detailed_memory_breakdown.output,
        rules.figure2_kv_extension_by_model.output,
        rules.figure3_extension_vs_batch.output,
        rules.figure4_savings_heatmap.output,
        rules.figure5_expert_count.output,
        rules.figure6_savings_vs_batch_by_experts.output,
        rules.figure7_multi_gpu.output,
