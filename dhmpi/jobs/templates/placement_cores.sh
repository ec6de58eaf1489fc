# Cores near each GPU, in the order of the GPUs: dhmpi gives each rank the GPUs that are near its own.
export DHMPI_GPU_CORES=@NEAR@
shared=(@CORES@) # by ranks
bound=() # equal parts of these for the ranks of a node, none across sockets
for ((rank = 0; rank < WORKERS; rank++)); do
    cores=()
    for range in "${shared[@]:rank / EACH * @GPUS_OF_SOCKET@:@GPUS_OF_SOCKET@}"; do
        mapfile -t -O "${#cores[@]}" cores < <(seq "${range%-*}" "${range#*-}")
    done
    first=$((rank % EACH * ${#cores[@]} / EACH))
    next=$(((rank % EACH + 1) * ${#cores[@]} / EACH))
    bound+=("$(IFS=, && echo "${cores[*]:first:next - first}")")
done
[ "$WORKERS" = "$RANKS_PER_NODE" ] || bound=("@SEARCH_CORES@" "${bound[@]}") # the first rank of each node needs no GPU
