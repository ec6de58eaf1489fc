@GPU_CHECK@
RANKS=$((NODES * RANKS_PER_NODE))
DEPTH=$((@DEPTH@)) # hardware threads of each rank
[ "$DEPTH" -ge 1 ] || give_up "RANKS_PER_NODE must be at most the @THREADS_PER_NODE@ threads of a node, got $RANKS_PER_NODE"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-@THREADS@} # of each rank
export PYTHONNOUSERSITE=1 # packages in a home directory hide those of the module
export HDF5_USE_FILE_LOCKING=FALSE # parallel file systems may refuse locks; the results file needs none
export @EXPORTS@
