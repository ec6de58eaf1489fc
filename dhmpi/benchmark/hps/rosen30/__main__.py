"""One evaluation of rosen30: `python -m dhmpi.benchmark.hps.rosen30 --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.rosen30"))
