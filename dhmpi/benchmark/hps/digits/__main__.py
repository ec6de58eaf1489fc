"""One evaluation of digits: `python -m dhmpi.benchmark.hps.digits --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.digits"))
