"""What reading a damaged database raises. Standard library only."""

import sqlite3

DATABASE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""Text in a damaged database need not be UTF-8, nor what SQLite quotes of it in its own messages."""
