"""Trains architectures one after the other with nothing but Keras: what nas.py compares with.

    python nas_plain.py ARCHITECTURES.json

Prints the seconds that each training took, from building the model to its validation.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from dhmpi.benchmark.nas.linearReg.load_data import load_data
from dhmpi.search.nas.model.baseline.anl_mlp_2 import create_structure

BATCH_SIZE, LEARNING_RATE = 100, 0.01


def main() -> None:
    """Train what the file names."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    (train_x, train_y), (valid_x, valid_y), *_ = load_data()
    scaled = []
    for train, valid in ((train_x, valid_x), (train_y, valid_y)):
        steps = (MinMaxScaler(), StandardScaler())
        for step in steps:
            train = step.fit_transform(train)
            valid = step.transform(valid)
        scaled.append((train.astype("float32"), valid.astype("float32")))
    (train_x, valid_x), (train_y, valid_y) = scaled
    structure = create_structure(train_x.shape[1:], train_y.shape[1:], num_cells=5)
    print("ready", flush=True)
    sys.stdin.readline()
    seconds = []
    for arch_seq in json.loads(Path(sys.argv[1]).read_text()):
        begun = time.perf_counter()
        structure.set_ops(arch_seq)
        model = structure.create_model()
        model.compile(keras.optimizers.Adam(LEARNING_RATE), "mean_squared_error")
        model.fit(train_x, train_y, BATCH_SIZE, epochs=1, verbose=0, validation_data=(valid_x, valid_y))
        keras.backend.clear_session()
        seconds.append(time.perf_counter() - begun)
    print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
