if [ "$RANKS_PER_NODE" -lt 1 ] || [ $((RANKS_PER_NODE * GPUS_PER_EVAL)) -gt @GPUS@ ]; then
    give_up "RANKS_PER_NODE x GPUS_PER_EVAL must be at most the @GPUS@ GPUs of a node, got $RANKS_PER_NODE x $GPUS_PER_EVAL"
fi
