"""``python -m bench.asking ARCHIVE [KIND ...]``: milliseconds of queries inside of one process, as JSON.

A kind is ``newest``, ``relevance``, ``count`` or ``facets``: the queries of ``questions`` are asked once
each, in shuffled order, by a searcher that is open already. ``python -m bench.asking ARCHIVE
--until-closed`` asks for the newest over and over until standard input is closed, and says the times of
each whole round.
"""

import json
import random
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.questions import questions
from poparchive.index.search import Searcher

LIMIT = 20
FACETS = ("from", "year", "account", "filetype")

KINDS: dict[str, Callable[[Searcher, str], object]] = {
    "newest": lambda searcher, query: searcher.search(query, limit=LIMIT),
    "relevance": lambda searcher, query: searcher.search(query, limit=LIMIT, sort="relevance"),
    "count": lambda searcher, query: searcher.count(query),
    "facets": lambda searcher, query: searcher.facets(query, FACETS),
}


def asked(
    searcher: Searcher, kind: str, order: list[tuple[str, str]]
) -> list[tuple[str, str, float]]:
    """Form, query and milliseconds of each."""
    taken = []
    for form, query in order:
        began = time.perf_counter()
        KINDS[kind](searcher, query)
        taken.append((form, query, (time.perf_counter() - began) * 1000))
    return taken


def closed() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def opened(archive: Path) -> Searcher:
    return Searcher(archive / "catalog.sqlite", archive / "search.sqlite")


def main() -> None:
    archive = Path(sys.argv[1])
    drawn = questions(archive)
    order = [(form, query) for form, queries in drawn.items() for query in queries]
    random.Random(3).shuffle(order)
    if sys.argv[2] == "--until-closed":
        print("ready", flush=True)
        rounds = []
        while not closed():
            # A rebuild puts new files in place of those that are open.
            with opened(archive) as searcher:
                times = [taken for _, _, taken in asked(searcher, "newest", order)]
            rounds.append(times)
        print(json.dumps(rounds))
        return
    found = {}
    for kind in sys.argv[2:]:
        with opened(archive) as searcher:
            # What Python imports late is no query's.
            KINDS[kind](searcher, order[0][1])
            found[kind] = asked(searcher, kind, order)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
