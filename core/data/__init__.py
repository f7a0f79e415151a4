"""Data sets: readers that turn a folder into samples, and the decoded cache."""
