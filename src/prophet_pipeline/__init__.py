"""The edge of the project: reads and checks config, writes results, figures and tables. `prophet_memory` holds the model."""
