"""One evaluation of dummy1: `python -m dhmpi.benchmark.hps.dummy1 --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.dummy1"))
