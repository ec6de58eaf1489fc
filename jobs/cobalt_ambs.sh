#!/bin/bash -l
#COBALT -n 2
#COBALT -t 60
#COBALT --jobname ambs
#COBALT -O ambs-$jobid

# --- submit: qsub -A PROJECT jobs/cobalt_ambs.sh
#     or, for example: qsub -A PROJECT --env MAX_EVALS=2000:OUTPUT=mine.h5 jobs/cobalt_ambs.sh
# Any machine with Cobalt.
PROBLEM=${PROBLEM:-dhmpi.benchmark.hps.polynome2.Problem}
RUN=${RUN:-}
MAX_EVALS=${MAX_EVALS:-1000}
OUTPUT=${OUTPUT:-ambs.h5}
RANKS_PER_NODE=${RANKS_PER_NODE:-4}
CHAIN=${CHAIN:-0}
ARGUMENTS=${ARGUMENTS:-}
MODULE=${MODULE-}

# --- modules
[ -z "$MODULE" ] || module load "$MODULE"

# --- environment
NODES=$COBALT_JOBSIZE
RANKS=$((NODES * RANKS_PER_NODE))
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # of each rank
export PYTHONNOUSERSITE=1 # packages in a home directory hide those of the module
export HDF5_USE_FILE_LOCKING=FALSE # parallel file systems may refuse locks; the results file needs none

# --- launch line
began=$(date +%s)
resume=()
[ ! -e "$OUTPUT" ] || resume=(--resume) # the campaign in it goes on
read -ra arguments <<< "$ARGUMENTS"
trap CHAIN=0 TERM # somebody ends this job
dhmpi launch -n "$RANKS" \
    --ranks-per-node "$RANKS_PER_NODE" -- ambs --problem "$PROBLEM" ${RUN:+--run "$RUN"} \
    --max-evals "$MAX_EVALS" --output "$OUTPUT" "${resume[@]}" "${arguments[@]}"
status=$?

# --- exit status: success is proved by the mark in the results file, not by what a launcher returns
dhmpi show "$OUTPUT" --is-complete --since "$began"
case $? in
    0) exit 0 ;; # complete
    3) # not complete, but evaluations have ended in this job
        if [ "$CHAIN" = 1 ]; then
            settings=
            for name in PROBLEM RUN MAX_EVALS OUTPUT RANKS_PER_NODE CHAIN ARGUMENTS MODULE; do
                # a value with a colon is the default, since --env could not have brought it
                [[ ${!name} == *:* ]] || settings+=${settings:+:}$name=${!name}
            done
            qsub -A "$COBALT_PROJECT" -q "$COBALT_QUEUE" -n "$NODES" --env "$settings" "$0" && exit 0
        fi
        ;;
    4)
        [ "$CHAIN" != 1 ] ||
            echo "the chain ends: nothing has come of this job, and nothing would of the next one" >&2
        ;;
esac
[ "$status" != 0 ] || status=3 # submit this script again to continue
exit "$status"
