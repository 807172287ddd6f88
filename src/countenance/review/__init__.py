"""Reviewing and selecting stored faces, and exchanging them with other tools."""
