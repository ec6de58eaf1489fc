cores= # of each rank, on one socket: half of the ranks on cores 1 to 51, half on 53 to 103
half=$(((RANKS_PER_NODE + 1) / 2))
for ((rank = 0; rank < RANKS_PER_NODE; rank++)); do
    first=$((rank < half ? 1 + rank * DEPTH : 53 + (rank - half) * DEPTH))
    cores+=:$first-$((first + DEPTH - 1))
done
export GPUS_PER_EVAL
# Tile 3 is 1.1 where the hierarchy is COMPOSITE, as by default there, and 3 where it is FLAT, as with frameworks.
# shellcheck disable=SC2016  # expanded by each rank
select_tiles=(bash -c '
    mask=
    for tile in $(seq $((PALS_LOCAL_RANKID * GPUS_PER_EVAL)) $(((PALS_LOCAL_RANKID + 1) * GPUS_PER_EVAL - 1))); do
        [ "$ZE_FLAT_DEVICE_HIERARCHY" != COMPOSITE ] || tile=$((tile / 2)).$((tile % 2))
        mask+=${mask:+,}$tile
    done
    [ -z "$mask" ] || export ZE_AFFINITY_MASK=$mask
    exec "$@"' --)
copper=/tmp/$USER/copper
if [ "$NODES" -gt 1000 ] && [ -n "$DHMPI_ROOT" ]; then # else imports of so many overload Lustre
    module load copper
    launch_copper.sh -v "$copper" -b 49,50,51 ||
        give_up "Copper must start on more than 1000 nodes, and does not; bring dhmpi to /tmp of each node instead"
    packages=("$DHMPI_ROOT"/venv/lib/python3*/site-packages)
    export PYTHONPATH=$copper${packages[0]}${PYTHONPATH:+:$PYTHONPATH}
fi
