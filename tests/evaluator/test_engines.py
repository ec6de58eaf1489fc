"""Executors of other libraries, really started: what the table in docs/engines.md says of each."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from contracts.evaluator import collect, drive, evaluate
from distributed import Client, LocalCluster
from parsl import Config, HighThroughputExecutor
from parsl.concurrent import ParslPoolExecutor
from parsl.providers import LocalProvider

from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import futures
from dhmpi.evaluator.futures import FuturesEvaluator
from dhmpi.execution.executor import Setup

TOO_LONG = "ran longer than 0.5 s"
