export GPUS_PER_EVAL
# shellcheck disable=SC2016  # expanded by each rank: GPU 3 is near the first cores, GPU 0 near the last
select_gpus=(bash -c '
    gpus=$(seq -s, $((4 - (PMI_LOCAL_RANK + 1) * GPUS_PER_EVAL)) $((3 - PMI_LOCAL_RANK * GPUS_PER_EVAL)))
    [ "$GPUS_PER_EVAL" = 0 ] || export CUDA_VISIBLE_DEVICES=$gpus
    exec "$@"' --)
