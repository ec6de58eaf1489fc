# Seven cores near each GPU; the first core of each eight is the system's.
near=(0xfe000000000000 0xfe00000000000000 0xfe0000 0xfe000000 0xfe 0xfe00 0xfe00000000 0xfe0000000000)
share=$((8 / RANKS_PER_NODE)) # GPUs whose cores a rank gets
cores=mask_cpu
for ((rank = 0; rank < RANKS_PER_NODE; rank++)); do
    mask=0
    for ((gpu = rank * share; gpu < (rank + 1) * share; gpu++)); do
        mask=$((mask | near[gpu]))
    done
    cores+=$([ "$rank" = 0 ] && echo : || echo ,)$(printf %x "$mask")
done
[ "$share" -ge 1 ] || cores=cores # more ranks than GPUs
export GPUS_PER_EVAL share
# shellcheck disable=SC2016  # expanded by each rank
select_gpus=(bash -c '
    gpus=$(seq -s, $((SLURM_LOCALID * share)) $((SLURM_LOCALID * share + GPUS_PER_EVAL - 1)))
    [ "$GPUS_PER_EVAL" = 0 ] || export ROCR_VISIBLE_DEVICES=$gpus
    exec "$@"' --)
