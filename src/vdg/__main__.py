"""`python -m vdg`, the same as the command `vdg`."""

from vdg.commands import main

if __name__ == "__main__":
    main()
