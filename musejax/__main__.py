"""`python -m musejax`: the command line."""

from musejax import cli

if __name__ == "__main__":
    cli.main()
