"""One evaluation of mnistmlp: `python -m dhmpi.benchmark.hps.mnistmlp --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.mnistmlp"))
