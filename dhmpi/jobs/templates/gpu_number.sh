check_number GPUS_PER_EVAL 0
[ "$GPUS_PER_EVAL" -le @GPUS@ ] || give_up "GPUS_PER_EVAL must be at most the @GPUS@ GPUs of a node, got $GPUS_PER_EVAL"
more=1 # rank 0 needs no GPU, so there is a rank more on each node
[[ $SEARCH != ppo-* ]] || more=0 # agents need one each
