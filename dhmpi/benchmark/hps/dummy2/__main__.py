"""One evaluation of dummy2: `python -m dhmpi.benchmark.hps.dummy2 --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.dummy2"))
