"""OAuth2 for mail accounts: how a person logs in once, and how pulls have an access token ever after.

``providers`` says where to ask, ``client`` and ``microsoft`` ask, ``device`` and ``browser`` are the ways in
which a person agrees, ``store`` keeps what came of it, and ``source`` hands out access tokens. A refresh
token that a provider replaced is on disk before its access token is used. No token is part of a repr, an
error or a log line.
"""
