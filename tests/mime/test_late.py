"""Patterns that are compiled when they are first used are all patterns, and none is compiled before."""

import importlib
import pkgutil
import re
import subprocess
import sys

from poparchive import mime
from poparchive.mime.late import late

LATE = type(late(""))


def test_all_can_be_compiled() -> None:
    """One that cannot would be noticed when rare mail meets it, by code that promises never to raise."""
    found = 0
    for module in pkgutil.walk_packages(mime.__path__, "poparchive.mime."):
        for pattern in vars(importlib.import_module(module.name)).values():
            if isinstance(pattern, LATE):
                re.compile(vars(pattern)["_source"], vars(pattern)["_flags"])
                found += 1
    assert found > 20


def test_none_is_compiled_by_an_import() -> None:
    """What is imported costs a search no compiling."""
    program = (
        "import poparchive.mime.body, poparchive.mime.text, poparchive.mime.html, sys\n"
        "from poparchive.mime.late import late\n"
        "for module in [m for n, m in sys.modules.items() if n.startswith('poparchive.mime')]:\n"
        "    for name, one in vars(module).items():\n"
        "        if type(one) is type(late('')) and len(vars(one)) > 2: print(module.__name__, name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
