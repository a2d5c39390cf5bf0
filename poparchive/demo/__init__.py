"""What ``poparchive demo`` stands on: a small POP3 server on loopback and mail for it to serve.

The server is complete enough for any client and can be told to misbehave, so that the tests of the
other parts talk to it too. Nothing here is used when real mail is pulled.
"""
