"""Runs the product as its users do: the command line in a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from poparchive.store import layout
from tests.support import forks


@dataclass(frozen=True, slots=True)
class Product:
    """A configuration and an archive in a directory."""

    directory: Path

    @property
    def archive(self) -> Path:
        return self.directory / "archive"

    @property
    def config(self) -> Path:
        return self.directory / "config.toml"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "poparchive", "--config", str(self.config), *arguments]

    def run(self, *arguments: str, code: int | None = 0) -> "subprocess.CompletedProcess[bytes]":
        """Run a command; any other exit code than ``code`` fails with what it said."""
        given = ["--config", str(self.config), *arguments]
        done = forks.run(given, self.directory / "said", timeout_s=240)
        if code is not None:
            assert done.returncode == code, done.stderr.decode(errors="replace")
        return done

    def said(self, *arguments: str, code: int | None = 1) -> str:
        """Run a command and return all that it says, which is never a traceback."""
        done = self.run(*arguments, code=code)
        said = (done.stdout + done.stderr).decode()
        assert "Traceback" not in said
        return said

    def json(self, *arguments: str, code: int | None = 0) -> list[dict[str, object]]:
        """Run a command with --json and return its objects."""
        lines = self.run(*arguments, "--json", code=code).stdout.splitlines()
        return [json.loads(line) for line in lines]


def product(directory: Path, accounts: dict[str, dict[str, object]], **defaults: object) -> Product:
    """Make an archive and a configuration whose accounts all have the password "secret"."""
    made = Product(directory)
    layout.create(made.archive)
    password = directory / "password"
    password.write_text("secret")
    password.chmod(0o600)
    lines = [f'archive = "{made.archive}"', "[limits]", "connections = 50"]
    lines += ["connections_per_host = 50", "[defaults]", f'password = {{ file = "{password}" }}']
    lines += [f"{key} = {json.dumps(value)}" for key, value in defaults.items()]
    for name, keys in accounts.items():
        lines.append(f"[accounts.{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in {"user": name, **keys}.items()]
    made.config.write_text("\n".join(lines) + "\n")
    return made
