gpus=() # of each rank
[ "$GPUS_PER_EVAL" = 0 ] || gpus=("--gpus-per-task=$GPUS_PER_EVAL")
