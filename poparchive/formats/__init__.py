"""Other programs' mail files."""
