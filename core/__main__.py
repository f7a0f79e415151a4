"""`python -m core <command>`."""

from core.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
