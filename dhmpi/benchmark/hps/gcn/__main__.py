"""One evaluation of gcn: `python -m dhmpi.benchmark.hps.gcn --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.gcn"))
