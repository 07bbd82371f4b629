# Batches as distributions: what loads and traces make of them, and what replicas under each policy make of traces


wildcard_constraints:
    trace="[^_]+",


GIVEN, LEAST = (
    f"{WORKLOADS}/shards/{{trace}}_{{policy}}_{replicas}.csv"
    for replicas in ("given", "least")
)


rule workload_batches:
    input:
        **program("workload_batches"),
        workloads="config/workloads.yaml",
        traces=trace_files(TRACES),
    output:
        f"{WORKLOADS}/loads.csv",
        f"{WORKLOADS}/trace_batches.csv",
        f"{WORKLOADS}/batch_distributions.csv",
        f"{WORKLOADS}/replicas_needed.csv",
    log:
        "logs/workload_batches.log",
    localrule: True
    params:
        **options(study=compact_json(config["workloads"])),
    message:
        "Finding the batches that requests meet"
    shell:
        RUN


rule serve_trace:
    input:
        **program("serve_trace"),
        workloads="config/workloads.yaml",
        models=expand(
            "config/models/{model}.yaml",
            model=sorted({case["model"] for case in SERVED["cases"]}),
        ),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        beside=lambda wildcards: trace_files([wildcards.trace]),
    output:
        GIVEN,
        LEAST,
    log:
        "logs/serve_trace_{trace}_{policy}.log",
    # 250 MiB and 2 to 5 s: on a cluster a job of its own would wait longer than it works.
    localrule: True
    params:
        **options(
            trace=lambda wildcards: wildcards.trace,
            policy=lambda wildcards: wildcards.policy,
            study=compact_json(config["workloads"]),
            latency=compact_json(config["latency"]),
            assumptions=compact_json(ASSUMPTIONS),
        ),
    message:
        "Serving {wildcards.trace} with {wildcards.policy}"
    shell:
        RUN


rule served:
    input:
        **program("served"),
        given=expand(GIVEN, trace=SERVED["traces"], policy=SERVING),
        least=expand(LEAST, trace=SERVED["traces"], policy=SERVING),
    output:
        f"{WORKLOADS}/served.csv",
        f"{WORKLOADS}/goodput.csv",
    log:
        "logs/served.log",
    localrule: True
    params:
        **options(),
    message:
        "Joining what was served"
    shell:
        RUN


rule workload_weighted:
    input:
        **program("workload_weighted"),
        models=MODEL_FILES,
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        batches=rules.workload_batches.output[2],
        beside=COUNTS,
    output:
        f"{WORKLOADS}/workload_weighted.csv",
    log:
        "logs/workload_weighted.log",
    localrule: True
    params:
        **options(
            gpu_names=SWEEP["gpus"],
            latency=compact_json(config["latency"]),
            assumptions=compact_json(ASSUMPTIONS),
            routing=REFERENCE["routing"],
            policy=REFERENCE["policy"],
            precision=REFERENCE["precision"],
        ),
    message:
        "Weighting what Prophet gains by workloads"
    shell:
        RUN


rule decisions:
    input:
        **program("decisions"),
        models=expand(
            "config/models/{model}.yaml",
            model=config["workloads"]["decision"]["models"],
        ),
        gpus="config/gpus.yaml",
        engines="config/engines.yaml",
        workloads="config/workloads.yaml",
        beside=COUNTS,
    output:
        f"{WORKLOADS}/decisions.csv",
    log:
        "logs/decisions.log",
    localrule: True
    params:
        **options(
            study=compact_json(config["workloads"]["decision"]),
            latency=compact_json(config["latency"]),
            assumptions=compact_json(ASSUMPTIONS),
            routing=REFERENCE["routing"],
            provision=REFERENCE["provision"],
            policy=REFERENCE["policy"],
        ),
    message:
        "Asking what serves each load with the fewest GPUs"
    shell:
        RUN


rule decision_tree:
    input:
        **program("decision_tree"),
        decisions=rules.decisions.output,
        workloads="config/workloads.yaml",
    output:
        f"{WORKLOADS}/decision_tree.csv",
        f"{WORKLOADS}/decision_fidelity.csv",
        f"{WORKLOADS}/source_tree.csv",
    log:
        "logs/decision_tree.log",
    localrule: True
    params:
        **options(
            depth=config["workloads"]["decision"]["depth"],
            policy=REFERENCE["policy"],
        ),
    message:
        "Learning a decision tree"
    shell:
        RUN


rule workloads_study:
    input:
        rules.workload_batches.output,
        rules.served.output,
        rules.workload_weighted.output,
        rules.decisions.output,
        rules.decision_tree.output,
