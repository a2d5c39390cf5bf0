"""Decides what to ask of a POP3 server, and carries it out."""
