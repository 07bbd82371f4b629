# The explorer: one page with every result, its libraries and its charts

EXPLORER = "evaluation/reports/explorer.html"
BUNDLED = "explorer/dist/bundle.json"  # not committed: the page has it
POLICIES_SHOWN = SWEEP["policies"] + [
    policy
    for policy in config["alternatives"]["policies"]
    if policy not in SWEEP["policies"]
]
MODULES = sorted(glob_wildcards("explorer/src/{name}.js").name)


rule bundle_explorer:
    input:
        **program("bundle_explorer"),
        sources=[
            "explorer/package.json",
            "explorer/package-lock.json",
            *expand("explorer/src/{name}.js", name=MODULES),
        ],
    output:
        BUNDLED,
    log:
        "logs/bundle_explorer.log",
    localrule: True
    params:
        **options(page=EXPLORER),
    message:
        "Bundling the explorer's code"
    # What it says of a run that went well is for the terminal, too.
    shell:
        f"{RUN} && cat {{log}} >&2"


rule explorer:
    input:
        **program("explorer"),
        data=[DATA, f"{PROFILE_RESULTS}/prophet_kv_extension_data.parquet"],
        concurrency=[CONCURRENCY, f"{PROFILE_RESULTS}/concurrency.parquet"],
        alternatives=f"{ALTERNATIVES}/alternatives.parquet",
        observations=f"{RESULTS}/observations.csv",
        results=ASKED,
        claims=f"{RESULTS}/claims.csv",
        numbers=PROSE_NUMBERS,
        ledger="config/claims.yaml",
        prose="config/numbers.yaml",
        models=CATALOGUE,
        gpus=GPU_CATALOGUE,
        laws=LAWS,
        profiles=ENGINES,
        bundle=BUNDLED,
        style="workflow/templates/explorer.css",
        template="workflow/templates/explorer.html.j2",
    output:
        reported(EXPLORER, "Pages"),
    log:
        "logs/explorer.log",
    localrule: True
    params:
        **options(
            engines=[ASSUMPTIONS["engine"], PAPER["profile"]],
            policies=compact_json(POLICIES_SHOWN),
            reference=compact_json(REFERENCE | {"engine": ASSUMPTIONS["engine"]}),
            context_tokens=PAPER["headline_context_tokens"],
            breakdown_models=PAPER["breakdown_models"],
        ),
    message:
        "Writing the explorer"
    shell:
        RUN
