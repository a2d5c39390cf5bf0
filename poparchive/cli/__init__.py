"""The command line: reads what was asked, calls one plain function of a lower part, prints."""
