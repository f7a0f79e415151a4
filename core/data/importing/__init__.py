"""Importers: what is not a data set yet becomes one in the workspace; one kind of source a file."""
