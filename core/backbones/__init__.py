"""Frozen feature extractors and the weights they load."""
