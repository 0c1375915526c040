"""`python -m cryoal` is `cryoal`."""

from cryoal.cli.main import main

if __name__ == "__main__":
    main()
