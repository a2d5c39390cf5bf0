"""The sample mails of ``poparchive demo``: two accounts with a few dozen messages.

They are files beside this module, octet for octet as a server hands them out. Their names say
whose they are, in which order they came, and what they are: ``anna-16-polish-utf8.eml``; those of
``both`` are the same message in both accounts. People, places and firms in them are invented.
"""

from importlib import resources
from importlib.resources.abc import Traversable

ACCOUNTS = ("anna", "office")


def accounts() -> dict[str, list[bytes]]:
    """The messages of each account in the order of their arrival."""
    files = [entry for entry in _folder().iterdir() if entry.name.endswith(".eml")]
    mails: dict[str, list[bytes]] = {account: [] for account in ACCOUNTS}
    for file in sorted(files, key=lambda entry: entry.name.split("-")[1]):
        owner = file.name.split("-")[0]
        for account in ACCOUNTS if owner == "both" else (owner,):
            mails[account].append(file.read_bytes())
    return mails


def _folder() -> Traversable:
    return resources.files("poparchive.demo").joinpath("samples")
