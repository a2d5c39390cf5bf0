"""``searcher.py ARCHIVE QUERIES LIMIT``: milliseconds of each query, by kind, as JSON.

``QUERIES`` is a JSON object of lists of queries. Each is asked once, in shuffled order: what is
measured is a searcher that is open already, and a query it has not seen.
"""

import json
import random
import sys
import time
from pathlib import Path

from poparchive.index.search import Searcher


def main() -> None:
    archive, asked, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    kinds: dict[str, list[str]] = json.loads(asked.read_text())
    order = [(kind, query) for kind, queries in kinds.items() for query in queries]
    random.Random(3).shuffle(order)
    times_ms: dict[str, list[float]] = {kind: [] for kind in kinds}
    searcher = Searcher(archive / "catalog.sqlite", archive / "search.sqlite")
    for kind, query in order:
        began = time.perf_counter()
        searcher.search(query, limit=limit)
        times_ms[kind].append((time.perf_counter() - began) * 1000)
    print(json.dumps(times_ms))


if __name__ == "__main__":
    main()
