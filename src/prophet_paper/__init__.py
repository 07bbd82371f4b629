"""The paper: claims, queries, figures, tables, LaTeX, prose and shards. `prophet_memory` holds the model and reads config."""
