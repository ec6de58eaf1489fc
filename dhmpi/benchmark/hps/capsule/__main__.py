"""One evaluation of capsule: `python -m dhmpi.benchmark.hps.capsule --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.capsule"))
