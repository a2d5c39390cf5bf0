"""Reads mail, and never changes it."""
