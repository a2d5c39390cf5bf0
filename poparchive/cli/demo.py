"""``poparchive demo``: the whole product on sample mail, from a POP3 server started for it."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from poparchive.cli import output

_CONFIG = 'archive = "{root}/archive"\n'

# A server of ours on loopback; a real one has TLS, and needs none of these but --host.
_SERVER = [
    *("--host", "127.0.0.1", "--port", "{port}", "--tls", "none", "--allow-insecure"),
    *("--password-file", "{root}/password"),
]

_PASSWORD = "only for the demonstration"  # noqa: S105 - the server lives as long as this command

_COMMANDS = (
    ("Two accounts:", ["account", "add", "anna", "--user", "anna", *_SERVER]),
    ("", ["account", "add", "office", "--user", "office", *_SERVER]),
    ("The first pull fetches everything:", ["pull"]),
    ("The second finds nothing new:", ["pull"]),
    ("Search by a word, newest first:", ["search", "invoice"]),
    ("By field, attachment and date:", ["search", "has:attachment", "filename:pdf"]),
    ("Without typing the accents:", ["search", "zolty", "OR", "日本"]),
    ("One message, as a person reads it:", ["show", "{id}"]),
    ("Every octet as the server sent it, checked by its hash:", ["show", "--raw", "{id}"]),
    ("Out again, for any other mail program:", ["export", "--output", "{root}/all.mbox"]),
    ("How everything stands:", ["status"]),
    ("Proof that all is there:", ["verify"]),
)


def demo() -> int:
    """Show pull, search, show, export and verify on sample mail; leaves nothing behind."""
    from poparchive.demo.mailbox import Mailbox
    from poparchive.demo.samples import accounts
    from poparchive.demo.server import Pop3Server, running

    boxes = {name: Mailbox(mails, password=_PASSWORD) for name, mails in accounts().items()}
    with (
        tempfile.TemporaryDirectory(prefix="poparchive-demo-") as directory,
        running(Pop3Server(boxes)) as server,
    ):
        root = Path(directory)
        password = root / "password"
        password.touch(mode=0o600)
        password.write_text(_PASSWORD)
        config = root / "config.toml"
        config.touch(mode=0o600)
        config.write_text(_CONFIG.format(root=root))
        from poparchive.archive import create

        create(root / "archive")
        code = _play(root, config, server.port)
    output.note(
        "\nThe server is stopped and its files are removed. For your own mail: poparchive init"
    )
    return code


def _play(root: Path, config: Path, port: int) -> int:
    identity = ""
    for title, words in _COMMANDS:
        if title:
            output.result("\n" + output.style(title, "bold"))
        arguments = [word.format(root=root, id=identity, port=port) for word in words]
        shown = shlex.join(["poparchive", *arguments]).replace(str(root) + "/", "")
        output.result(output.style(f"$ {shown}", "cyan"))
        raw = "--raw" in arguments
        done = _run(config, arguments, quiet=raw)
        if done.returncode:
            return done.returncode
        if raw:
            import hashlib

            octets = done.stdout
            output.result(f"({len(octets)} octets, SHA-256 {hashlib.sha256(octets).hexdigest()})")
        if words[:2] == ["search", "invoice"]:
            found = _run(config, ["search", "--ids", *words[1:]], quiet=True).stdout.split()
            identity = found[0].decode()[:12] if found else ""
    return 0


def _run(
    config: Path, arguments: list[str], *, quiet: bool = False
) -> "subprocess.CompletedProcess[bytes]":
    sys.stdout.flush()
    command = [sys.executable, "-m", "poparchive", "--config", str(config), *arguments]
    return subprocess.run(command, check=False, stdout=subprocess.PIPE if quiet else None)
