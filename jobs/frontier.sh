#!/bin/bash -l
#SBATCH --job-name=dhmpi
#SBATCH --nodes=4
#SBATCH --time=02:00:00
#SBATCH --output=%x-%j.out
#SBATCH --partition=batch
#SBATCH --exclusive
#SBATCH --gpus-per-node=8

# --- submit: sbatch -A PROJECT jobs/frontier.sh
#     or, for example: sbatch -A PROJECT --export=ALL,MAX_EVALS=2000,OUTPUT=mine.h5 jobs/frontier.sh
# Frontier, OLCF: one 64-core EPYC and four MI250X, which are eight GPUs, per node.
# Seven of eight cores are left to each GPU, the system has the others; GPU 0 is near cores 48 to 55 (OLCF,
# Frontier user guide, Frontier compute nodes; WarpX, Tools/machines/frontier-olcf/submit.sh; read
# 2026-11-26). A step outlives the loss of a rank or a node.
give_up() { # with a sentence, and the status of what cannot be used
    echo "$1" >&2
    exit 2
}
check_number() { # the name of a variable, and the least value that it may have
    [[ ${!1} =~ ^[[:digit:]]{1,9}$ && ${!1} != 0?* && ${!1} -ge $2 ]] ||
        give_up "$1 must be a whole number from $2 to 999999999, got ${!1}"
}
SEARCH=${SEARCH:-ambs} # one of ambs, ga, hps-random, nas-random, ppo-async, ppo-sync
PROBLEM=${PROBLEM:-}
RUN=${RUN:-}
MAX_EVALS=${MAX_EVALS:-1000}
OUTPUT=${OUTPUT:-}
GPUS_PER_EVAL=${GPUS_PER_EVAL:-1} # of the 8 of a node; 0: evaluations are given none of their own
check_number GPUS_PER_EVAL 0
[ "$GPUS_PER_EVAL" -le 8 ] || give_up "GPUS_PER_EVAL must be at most the 8 GPUs of a node, got $GPUS_PER_EVAL"
more=1 # rank 0 needs no GPU, so there is a rank more on each node
[[ $SEARCH != ppo-* ]] || more=0 # agents need one each
RANKS_PER_NODE=${RANKS_PER_NODE:-$((GPUS_PER_EVAL > 0 ? 8 / GPUS_PER_EVAL + more : 8))}
CHAIN=${CHAIN:-0}
ARGUMENTS=${ARGUMENTS:-} # more options of the search; quotes hold words together
MODULE=${MODULE-deephyper} # modules that bring dhmpi; nothing if it is in PATH
check_number MAX_EVALS 1
check_number RANKS_PER_NODE 1
[[ $CHAIN == [01] ]] || give_up "CHAIN must be 0 or 1, got $CHAIN"
case $SEARCH in
    ambs | ga | hps-random | nas-random | ppo-async | ppo-sync) ;;
    *) give_up "SEARCH must be one of ambs, ga, hps-random, nas-random, ppo-async, ppo-sync, got $SEARCH" ;;
esac
case $SEARCH in # what is searched, and the results file, if nothing else is said
    nas-* | ppo-*) problem=dhmpi.benchmark.nas.linearReg.problem.Problem output=nas_${SEARCH#nas-}.h5 ;;
    *) problem=dhmpi.benchmark.hps.polynome2.Problem output=$SEARCH.h5 ;;
esac
[ -n "$PROBLEM" ] || PROBLEM=$problem
[ -n "$OUTPUT" ] || OUTPUT=${output//-/_}

# --- modules
read -ra modules <<< "$MODULE"
[ "${#modules[@]}" = 0 ] || command -v module > /dev/null ||
    give_up "module load $MODULE needs the command module, and there is none; give an empty MODULE if dhmpi is in PATH"
if [ "${#modules[@]}" != 0 ]; then
    module load "${modules[@]}" ||
        give_up "module load $MODULE must succeed, and does not; give another MODULE, or none if dhmpi is in PATH"
fi
command -v dhmpi > /dev/null || give_up "dhmpi must be in PATH, and is not; give the MODULE that brings it"

# --- environment
NODES=$SLURM_JOB_NUM_NODES
TASK=${SLURM_ARRAY_TASK_ID:-}
if [ -n "$TASK" ]; then # each task of a job array has a results file of its own
    OUTPUT=${OUTPUT%.h5}
    OUTPUT=${OUTPUT%-"$TASK"}-$TASK.h5 # once, also in a successor, which gets the name that is made here
fi
[ "$GPUS_PER_EVAL" = 0 ] || [ "$RANKS_PER_NODE" -le $((8 / GPUS_PER_EVAL + 1)) ] ||
    give_up "RANKS_PER_NODE must be at most $((8 / GPUS_PER_EVAL + 1)) with GPUS_PER_EVAL=$GPUS_PER_EVAL, \
one more than find some of the 8 GPUs of a node, got $RANKS_PER_NODE"
WORKERS=$RANKS_PER_NODE # of these, those that need cores of their own
[ $((RANKS_PER_NODE * GPUS_PER_EVAL)) -le 8 ] || WORKERS=$((RANKS_PER_NODE - 1))
EACH=$((WORKERS)) # of these on a socket
RANKS=$((NODES * RANKS_PER_NODE))
DEPTH=$((56 / EACH)) # hardware threads of each rank
[ "$DEPTH" -ge 1 ] || give_up "RANKS_PER_NODE must be at most the 56 threads of a node, got $RANKS_PER_NODE"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$DEPTH} # of each rank
export PYTHONNOUSERSITE=1 # packages in a home directory hide those of the module
export HDF5_USE_FILE_LOCKING=FALSE # parallel file systems may refuse locks; the results file needs none
export MPICH_GPU_SUPPORT_ENABLED=0 # else Cray MPICH wants its GPU library, which mpi4py is not linked with

# --- launch line
began=$(date +%s)
resume=()
[ ! -e "$OUTPUT" ] || resume=(--resume) # the campaign in it goes on
xargs -r printf '%s\n' <<< "$ARGUMENTS" > /dev/null || give_up "ARGUMENTS must be words, got $ARGUMENTS"
trap CHAIN=0 TERM # ending this job ends the chain, too; the rest of the script runs when the search has ended
mapfile -t arguments < <(xargs -r printf '%s\n' <<< "$ARGUMENTS")
# Cores near each GPU, in the order of the GPUs: dhmpi gives each rank the GPUs that are near its own.
export DHMPI_GPU_CORES=49-55:57-63:17-23:25-31:1-7:9-15:33-39:41-47
shared=(49-55 57-63 17-23 25-31 1-7 9-15 33-39 41-47) # by ranks
bound=() # equal parts of these for the ranks of a node, none across sockets
for ((rank = 0; rank < WORKERS; rank++)); do
    cores=()
    for range in "${shared[@]:rank / EACH * 8:8}"; do
        mapfile -t -O "${#cores[@]}" cores < <(seq "${range%-*}" "${range#*-}")
    done
    first=$((rank % EACH * ${#cores[@]} / EACH))
    next=$(((rank % EACH + 1) * ${#cores[@]} / EACH))
    bound+=("$(IFS=, && echo "${cores[*]:first:next - first}")")
done
[ "$WORKERS" = "$RANKS_PER_NODE" ] || bound=("${bound[0]}" "${bound[@]}") # the first rank of each node needs no GPU
mask() { # of cores, in hexadecimal
    local core digit digits=() indices
    for core in ${1//,/ }; do digits[core / 4]=$((digits[core / 4] | 1 << core % 4)); done
    indices=("${!digits[@]}")
    for ((digit = indices[-1]; digit >= 0; digit--)); do printf %x "$((digits[digit]))"; done
    echo
}
binding=mask_cpu:$(for cores in "${bound[@]}"; do mask "$cores"; done | paste -sd,)
srun --ntasks="$RANKS" --ntasks-per-node="$RANKS_PER_NODE" \
    --cpu-bind="$binding" \
    --no-kill --kill-on-bad-exit=0 \
    dhmpi "$SEARCH" --problem "$PROBLEM" ${RUN:+--run "$RUN"} \
    --gpus-per-eval "$GPUS_PER_EVAL" \
    --max-evals "$MAX_EVALS" --output "$OUTPUT" "${resume[@]}" "${arguments[@]}"
status=$?

# --- exit status: success is proved by the mark in the results file, not by what a launcher returns
submit_successor() { # with the same account and variables; Slurm exports what is in the environment
    export SEARCH PROBLEM RUN MAX_EVALS OUTPUT RANKS_PER_NODE CHAIN ARGUMENTS MODULE GPUS_PER_EVAL
    sbatch ${SLURM_JOB_ACCOUNT:+"--account=$SLURM_JOB_ACCOUNT"} --nodes="$NODES" "$0"
}
dhmpi show "$OUTPUT" --is-complete --since "$began"
case $? in
    0) exit 0 ;; # complete
    3) # not complete, but evaluations have ended in this job
        if [ "$CHAIN" = 1 ] && submit_successor; then
            exit 0
        fi
        ;;
    4)
        [ "$CHAIN" != 1 ] ||
            echo "the chain ends: nothing has come of this job, and nothing would of the next one" >&2
        ;;
esac
[ "$status" != 0 ] || status=3 # submit this script again to continue
exit "$status"
