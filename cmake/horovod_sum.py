"""Whether Horovod adds numbers up over all ranks, with the MPI that it was built against."""

import horovod.tensorflow as hvd
import tensorflow as tf

hvd.init()
total = int(hvd.allreduce(tf.constant(hvd.rank() + 1), op=hvd.Sum))
expected = hvd.size() * (hvd.size() + 1) // 2
print(f"rank {hvd.rank()} of {hvd.size()}: {total}")
if hvd.size() < 2 or total != expected:
    raise SystemExit(f"the sum over {hvd.size()} ranks must be {expected}, got {total}")
