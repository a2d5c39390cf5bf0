"""poparchive keeps the mail of POP3 accounts: every octet, for decades, proved and searchable."""

__version__ = "0.1.0"
