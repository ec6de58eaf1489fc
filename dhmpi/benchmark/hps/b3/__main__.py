"""One evaluation of b3: `python -m dhmpi.benchmark.hps.b3 --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.b3"))
