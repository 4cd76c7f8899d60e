"""``python -m isegm <command>``."""

from isegm.cli.commands import main

if __name__ == "__main__":
    raise SystemExit(main())
