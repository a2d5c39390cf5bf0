"""Measures poparchive beside its peers on one machine, in one run, and prints one table.

``python -m bench`` makes the mail it needs from a seed, starts the servers it needs on loopback,
and lets poparchive and its peers do the same work in turn. Nothing in the product knows of it.
"""
