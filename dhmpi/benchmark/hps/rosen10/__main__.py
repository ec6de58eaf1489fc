"""One evaluation of rosen10: `python -m dhmpi.benchmark.hps.rosen10 --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.rosen10"))
