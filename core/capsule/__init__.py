"""A run capsule: what a run claims, small enough to send, and checkable against the data.

A ZIP of config.json, cases.parquet (every score), metrics.parquet, thresholds.json, images.json
(size and SHA-256 of every test image and mask), checkpoint.json (SHA-256 of the model's files), on
demand the model itself, and manifest.json with the SHA-256 of every member. `making` writes one,
`archive` reads one, `core.engine.verify` checks one.
"""
