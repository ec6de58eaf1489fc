"""One evaluation of mnistcnn: `python -m dhmpi.benchmark.hps.mnistcnn --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.mnistcnn"))
