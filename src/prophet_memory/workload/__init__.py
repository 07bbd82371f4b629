"""Requests, the replicas that serve them, and what comes of it (docs/workloads.md)."""
