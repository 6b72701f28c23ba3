"""`python -m isometal`: the command line."""

from isometal.cli import main

if __name__ == "__main__":
    main()
