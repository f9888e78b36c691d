"""`python -m gpulabs` is the `gpulabs` command."""

from gpulabs.cli import main

if __name__ == "__main__":
    main()
