"""One evaluation of polynome2: `python -m dhmpi.benchmark.hps.polynome2 --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.polynome2"))
