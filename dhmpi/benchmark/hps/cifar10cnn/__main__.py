"""One evaluation of cifar10cnn: `python -m dhmpi.benchmark.hps.cifar10cnn --help`."""

import sys

from dhmpi.benchmark.hps.standalone import main

if __name__ == "__main__":
    sys.exit(main("dhmpi.benchmark.hps.cifar10cnn"))
