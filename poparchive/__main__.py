"""``python -m poparchive`` is the command ``poparchive``."""

from poparchive.cli.main import main

if __name__ == "__main__":
    main()
