[ "$GPUS_PER_EVAL" = 0 ] || [ "$RANKS_PER_NODE" -le $((@GPUS@ / GPUS_PER_EVAL + 1)) ] ||
    give_up "RANKS_PER_NODE must be at most $((@GPUS@ / GPUS_PER_EVAL + 1)) with GPUS_PER_EVAL=$GPUS_PER_EVAL, \
one more than find some of the @GPUS@ GPUs of a node, got $RANKS_PER_NODE"
WORKERS=$RANKS_PER_NODE # of these, those that need cores of their own
[ $((RANKS_PER_NODE * GPUS_PER_EVAL)) -le @GPUS@ ] || WORKERS=$((RANKS_PER_NODE - 1))
EACH=$((@WORKERS_OF_SOCKET@)) # of these on a socket
