"""A look at a POP3 server: what it can and cannot do, and what that means. See docs/doctor.md."""
