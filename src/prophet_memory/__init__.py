"""Analytic GPU memory model of mixture-of-experts inference with expert residency.

Pure functions: plain values and numpy arrays in, arrays out; no file paths, no plotting. One module per part of the model:

- `architecture`: what a model is made of, and the checks that make it meaningful
- `parameters`: exact integer parameter counts
- `kv_cache`: bytes of cache and state per sequence, and the closed-form KV capacity
- `routing`: the laws for the number of distinct experts U(B)
- `precision`: bytes per weight
- `activations`: the peak of an engine step
- `residency`: which experts a policy keeps in GPU memory
- `sweep`: all of it over a grid
"""
