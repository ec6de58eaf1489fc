[ $((RANKS_PER_NODE * GPUS_PER_EVAL)) -le @GPUS@ ] ||
    give_up "RANKS_PER_NODE x GPUS_PER_EVAL must be at most the @GPUS@ GPUs of a node, got $RANKS_PER_NODE x $GPUS_PER_EVAL"
