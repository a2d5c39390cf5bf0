"""Imports point one way, and each outside library has one home."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "poparchive"

LOW = {"errors", "model"}
ARCHIVE = {"archive", "store", "mime", "index", "query"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "model": set(),
    "pop3": LOW,
    "mime": LOW,
    "store": LOW,
    "query": {"errors"},
    "index": LOW | {"query"},
    "formats": LOW,
    # Mail within an attachment is read as any other, and so are charsets and HTML.
    "attachments": LOW | {"mime"},
    "config": LOW,
    "credentials": LOW,
    "oauth": LOW,
    "observe": LOW,
    "archive": LOW | ARCHIVE | {"attachments"},
    "sync": LOW | {"pop3", "archive"},
    "transfer": LOW | {"formats", "archive", "index", "query"},
    "diagnose": LOW | {"pop3"},
    "schedule": LOW | {"sync"},
    "demo": LOW,
}
"""What a part may import besides itself. ``cli`` puts the parts together and may import all."""

HOMES = {
    "zstandard": ({"store"}, "the store alone decides what is compressed and how"),
    "kreuzberg": ({"attachments"}, "what it reads is hostile, and read by a confined process"),
    "zfec": ({"store"}, "parity is made and used beside the packs that it heals"),
    "sqlalchemy": ({"index"}, "nothing else knows that the catalog is a database"),
    "alembic": ({"index"}, "migrations belong to the catalog"),
    "snowballstemmer": ({"index"}, "the forms of a word are those that the index has"),
    "apscheduler": ({"schedule"}, "pulls know nothing of time tables"),
    "typer": ({"cli"}, "libraries know no command line"),
    "rich": ({"cli"}, "libraries know no terminal"),
    "socket": (
        {"pop3", "demo", "store"},
        "the core owns no socket; the store asks for the host's name",
    ),
    "ssl": (
        {"pop3", "demo", "sync", "cli", "diagnose"},
        "TLS contexts are made in pop3 and handed through; diagnose has those that only look",
    ),
    "python_socks": ({"pop3"}, "the way to a server is the transport's affair"),
    "dns": ({"cli"}, "servers are looked up when an account is added, and at no other time"),
    "platformdirs": ({"cli"}, "libraries do not look for files"),
    "msal": ({"oauth"}, "nothing else knows how tokens are had"),
    "authlib": ({"oauth"}, "nothing else knows how tokens are had"),
    "requests": ({"oauth"}, "only identity providers are asked by HTTP"),
    "keyring": ({"credentials"}, "one place fetches secrets"),
    "scramp": ({"pop3", "demo"}, "the arithmetic of SCRAM, on either side"),
    "asn1crypto": ({"pop3"}, "channel binding needs one field of a certificate"),
}


def part_of(path: Path) -> str:
    name = path.relative_to(PACKAGE).parts[0]
    return name.removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    package = [*path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module, node.lineno
            if module == "poparchive":
                for alias in node.names:
                    yield f"poparchive.{alias.name}", node.lineno


FILES = sorted(p for p in PACKAGE.rglob("*.py") if "samples" not in p.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """A part imports only the parts that are allowed to it."""
    part = part_of(path)
    if part in ("cli", "__init__", "__main__"):
        return
    allowed = ALLOWED[part] | {part, "__version__"}
    for module, line in imports(path):
        if module.startswith("poparchive.") and module.split(".")[1] not in allowed:
            pytest.fail(f"{path.relative_to(ROOT)}:{line}: {part} must not import {module}")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_at_home(path: Path) -> None:
    """An outside library is imported only where it is at home."""
    for module, line in imports(path):
        homes, reason = HOMES.get(module.split(".")[0], (None, ""))
        if homes is not None and part_of(path) not in homes:
            pytest.fail(f"{path.relative_to(ROOT)}:{line}: {module}: {reason}")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_environment_is_read_at_the_edge(path: Path) -> None:
    """os.environ is read in cli and credentials only."""
    if part_of(path) in ("cli", "credentials"):
        return
    text = path.read_text(encoding="utf-8")
    assert "os.environ" not in text, "libraries read no environment"
    assert "getenv(" not in text, "libraries read no environment"
