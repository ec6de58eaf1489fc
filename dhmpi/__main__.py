"""`python -m dhmpi` is `dhmpi`."""

import sys

from dhmpi.cli import main

if __name__ == "__main__":  # which is not so in the workers of python -m mpi4py.futures -m dhmpi
    sys.exit(main())
