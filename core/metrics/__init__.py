"""Metrics: exact, order-free, mergeable. One decorated function a metric; see `base`."""
