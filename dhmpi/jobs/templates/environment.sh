RANKS=$((NODES * RANKS_PER_NODE))
DEPTH=$((@THREADS_PER_NODE@ / RANKS_PER_NODE)) # hardware threads of each rank
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-@THREADS@} # of each rank
export PYTHONNOUSERSITE=1 # packages in a home directory hide those of the module
export HDF5_USE_FILE_LOCKING=FALSE # parallel file systems may refuse locks; the results file needs none
export @EXPORTS@
