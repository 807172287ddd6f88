"""Consented face replacement: collect, prepare, train, generate, verify."""

__version__ = "0.1.0"
