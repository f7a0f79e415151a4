"""Readers: one layout of a data set on disk a file."""
