"""Methods: one published way to detect anomalies a file."""
