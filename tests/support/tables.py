"""Tables in pages of ``docs/`` that a program makes: written between marks that name it, and read again."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
_END = "<!-- end -->\n"


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def put(page: Path, maker: str, text: str) -> None:
    """Put what the module ``maker`` has made into the page, in the place of what it made before."""
    before, rest = page.read_text().split(_begin(maker))
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_begin(maker)}\n{text.strip()}\n\n{_END}{after}")


def rows(page: Path, maker: str) -> list[list[str]]:
    """The rows of the first table that ``maker`` made, its head left out."""
    made = page.read_text().split(_begin(maker))[1].partition(_END)[0]
    lines = made.strip().split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _begin(maker: str) -> str:
    return f"<!-- made by {maker} -->\n"
