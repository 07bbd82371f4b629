# What the paper shows as pictures, each as PDF and PNG


rule figure1_detailed_memory_breakdown:
    input:
        **program("figure1_detailed_memory_breakdown"),
        data=DATA,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        figure("figure1_detailed_memory_breakdown", FIGURES),
    log:
        "logs/figure1_detailed_memory_breakdown.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            gpu=REFERENCE["gpu"],
            batch_size=REFERENCE["batch_size"],
            precision=REFERENCE["precision"],
            models=PAPER["breakdown_models"],
        ),
    message:
        "Drawing Figure 1"
    shell:
        RUN


rule figure2_kv_extension_by_model:
    input:
        **program("figure2_kv_extension_by_model"),
        reference=f"{RESULTS}/kv_extension_at_reference.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        figure("figure2_kv_extension_by_model", FIGURES),
    log:
        "logs/figure2_kv_extension_by_model.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            gpu=REFERENCE["gpu"],
            batch_size=REFERENCE["batch_size"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Drawing Figure 2"
    shell:
        RUN


rule figure3_extension_vs_batch:
    input:
        **program("figure3_extension_vs_batch"),
        data=DATA,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        figure("figure3_extension_vs_batch", FIGURES),
    log:
        "logs/figure3_extension_vs_batch.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            gpu=REFERENCE["gpu"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Drawing Figure 3"
    shell:
        RUN


rule figure4_savings_heatmap:
    input:
        **program("figure4_savings_heatmap"),
        curves=f"{RESULTS}/expert_savings_curves.parquet",
        catalogue=CATALOGUE,
        laws=LAWS,
    output:
        figure("figure4_savings_heatmap", FIGURES),
    log:
        "logs/figure4_savings_heatmap.log",
    localrule: True
    params:
        **options(
            provision=REFERENCE["provision"],
            batch_sizes=sorted(SWEEP["batch_sizes"]),
        ),
    message:
        "Drawing Figure 4"
    shell:
        RUN


rule figure5_expert_count:
    input:
        **program("figure5_expert_count"),
        data=DATA,
        catalogue=CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        figure("figure5_expert_count", FIGURES),
    log:
        "logs/figure5_expert_count.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            routing=REFERENCE["routing"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Drawing Figure 5"
    shell:
        RUN


rule figure6_savings_vs_batch_by_experts:
    input:
        **program("figure6_savings_vs_batch_by_experts"),
        catalogue=CATALOGUE,
        curves=f"{RESULTS}/expert_savings_curves.parquet",
        distinct=rules.distinct_experts.output,
        band=rules.savings_band.output,
        laws=LAWS,
    output:
        figure("figure6_savings_vs_batch_by_experts", FIGURES),
    log:
        "logs/figure6_savings_vs_batch_by_experts.log",
    localrule: True
    params:
        **options(
            provision=REFERENCE["provision"],
            routing=REFERENCE["routing"],
            batch_size=REFERENCE["batch_size"],
            batch_sizes=sorted(SWEEP["batch_sizes"]),
        ),
    message:
        "Drawing Figure 6"
    shell:
        RUN


rule figure7_multi_gpu:
    input:
        **program("figure7_multi_gpu"),
        smallest=f"{RESULTS}/smallest_gpu_counts.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        figure("figure7_multi_gpu", FIGURES),
    log:
        "logs/figure7_multi_gpu.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            routing=REFERENCE["routing"],
            n_gpus=sorted(SWEEP["n_gpus"]),
            batch_size=REFERENCE["batch_size"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Drawing Figure 7"
    shell:
        RUN


rule figure8_predicted_vs_observed:
    input:
        **program("figure8_predicted_vs_observed"),
        observations=f"{RESULTS}/observations.csv",
    output:
        figure("figure8_predicted_vs_observed", FIGURES),
    log:
        "logs/figure8_predicted_vs_observed.log",
    localrule: True
    params:
        **options(),
    message:
        "Drawing Figure 8"
    shell:
        RUN


rule figure_concurrency:
    input:
        **program("figure_concurrency"),
        concurrency=CONCURRENCY,
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
        policies=POLICIES,
    output:
        figure("figure_concurrency", FIGURES),
    log:
        "logs/figure_concurrency.log",
    localrule: True
    params:
        **options(
            policy=REFERENCE["policy"],
            provision=REFERENCE["provision"],
            routing=REFERENCE["routing"],
            gpu=REFERENCE["gpu"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Drawing the figure of concurrency"
    shell:
        RUN


rule figure9_routing_laws:
    input:
        **program("figure9_routing_laws"),
        distinct=rules.distinct_experts.output,
        laws=LAWS,
    output:
        figure("figure9_routing_laws", FIGURES),
    log:
        "logs/figure9_routing_laws.log",
    localrule: True
    params:
        **options(),
    message:
        "Drawing Figure 9"
    shell:
        RUN


rule figure10_provisioned_savings:
    input:
        **program("figure10_provisioned_savings"),
        band=rules.savings_band.output,
        catalogue=CATALOGUE,
    output:
        figure("figure10_provisioned_savings", FIGURES),
    log:
        "logs/figure10_provisioned_savings.log",
    localrule: True
    params:
        **options(
            provision=REFERENCE["provision"],
            batch_sizes=sorted(PAPER["provisioned_batch_sizes"]),
        ),
    message:
        "Drawing Figure 10"
    shell:
        RUN


rule figure11_locality:
    input:
        **program("figure11_locality"),
        hits=rules.cache_hits.output,
    output:
        figure("figure11_locality", FIGURES),
    log:
        "logs/figure11_locality.log",
    localrule: True
    params:
        **options(),
    message:
        "Drawing Figure 11"
    shell:
        RUN


rule figure12_sensitivity:
    input:
        **program("figure12_sensitivity"),
        alone=rules.sensitivity.output[0],
        together=rules.sensitivity.output[1],
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        figure("figure12_sensitivity", FIGURES),
    log:
        "logs/figure12_sensitivity.log",
    localrule: True
    params:
        **options(),
    message:
        "Drawing Figure 12"
    shell:
        RUN


rule figure13_memory_latency:
    input:
        **program("figure13_memory_latency"),
        alternatives=rules.alternatives.output[0],
        claims=f"{RESULTS}/claims.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        laws=LAWS,
    output:
        figure("figure13_memory_latency", FIGURES),
    log:
        "logs/figure13_memory_latency.log",
    localrule: True
    params:
        **options(
            cases=compact_json(config["alternatives"]["cases"]),
            batch_size=REFERENCE["batch_size"],
            routing=REFERENCE["routing"],
            provision=REFERENCE["provision"],
        ),
    message:
        "Drawing Figure 13"
    shell:
        RUN


rule figure14_latency_observed:
    input:
        **program("figure14_latency_observed"),
        observed=rules.latency_observed.output,
    output:
        figure("figure14_latency_observed", FIGURES),
    log:
        "logs/figure14_latency_observed.log",
    localrule: True
    params:
        **options(),
    message:
        "Drawing Figure 14"
    shell:
        RUN


rule figure15_residency:
    input:
        **program("figure15_residency"),
        curves=rules.residency_curves.output[0],
        needed=rules.residency_curves.output[1],
        hits=rules.cache_hits.output,
        claims=f"{RESULTS}/claims.csv",
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
    output:
        figure("figure15_residency", FIGURES),
    log:
        "logs/figure15_residency.log",
    localrule: True
    params:
        **options(
            cases=compact_json(config["alternatives"]["cases"][:4]),
            batch_size=1,
        ),
    message:
        "Drawing Figure 15"
    shell:
        RUN


rule figure16_workloads:
    input:
        **program("figure16_workloads"),
        loads=rules.workload_batches.output[0],
        by_replicas=rules.workload_batches.output[1],
        batches=rules.workload_batches.output[2],
        workloads="config/workloads.yaml",
    output:
        figure("figure16_workloads", FIGURES),
    log:
        "logs/figure16_workloads.log",
    localrule: True
    params:
        **options(
            step_s=config["workloads"]["constant"]["kept_step_s"],
            replicas=config["workloads"]["constant"]["kept_replicas"][-2:],
        ),
    message:
        "Drawing Figure 16"
    shell:
        RUN


rule figure17_goodput:
    input:
        **program("figure17_goodput"),
        goodput=rules.served.output[1],
        catalogue=CATALOGUE,
        gpu_catalogue=GPU_CATALOGUE,
        workloads="config/workloads.yaml",
    output:
        figure("figure17_goodput", FIGURES),
    log:
        "logs/figure17_goodput.log",
    localrule: True
    params:
        **options(study=compact_json(SERVED)),
    message:
        "Drawing Figure 17"
    shell:
        RUN


rule figure18_decision:
    input:
        **program("figure18_decision"),
        tree=rules.decision_tree.output[0],
        fidelity=rules.decision_tree.output[1],
        source=rules.decision_tree.output[2],
        workloads="config/workloads.yaml",
    output:
        figure("figure18_decision", FIGURES),
    log:
        "logs/figure18_decision.log",
    localrule: True
    params:
        **options(),
    message:
        "Drawing Figure 18"
    shell:
        RUN


rule figures:
    input:
        rules.figure1_detailed_memory_breakdown.output,
        rules.figure2_kv_extension_by_model.output,
        rules.figure3_extension_vs_batch.output,
        rules.figure4_savings_heatmap.output,
        rules.figure5_expert_count.output,
        rules.figure6_savings_vs_batch_by_experts.output,
        rules.figure7_multi_gpu.output,
        rules.figure8_predicted_vs_observed.output,
        rules.figure_concurrency.output,
        rules.figure9_routing_laws.output,
        rules.figure10_provisioned_savings.output,
        rules.figure11_locality.output,
        rules.figure12_sensitivity.output,
        rules.figure13_memory_latency.output,
        rules.figure14_latency_observed.output,
        rules.figure15_residency.output,
        rules.figure16_workloads.output,
        rules.figure17_goodput.output,
        rules.figure18_decision.output,
