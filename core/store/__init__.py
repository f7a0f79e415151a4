"""The DuckDB index over run directories and people's files; derived, never the truth."""
