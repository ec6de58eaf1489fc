#!/bin/bash -l
#COBALT -n @NODES@
#COBALT -t @MINUTES@
#COBALT --jobname @NAME@
#COBALT -O @NAME@-$jobid
#COBALT @DIRECTIVES@

# --- submit: qsub @PAYS@jobs/@FILE@
#     or, for example: qsub @PAYS@--env MAX_EVALS=2000:OUTPUT=mine.h5 jobs/@FILE@
@SETTINGS@

# --- modules: the job has nothing of the environment in which it was submitted
@MODULE_LOAD@

# --- environment
NODES=$COBALT_JOBSIZE
@ENVIRONMENT@

# --- launch line
@PREPARE@
@LAUNCH@

# --- exit status: success is proved by the mark in the results file, not by what a launcher returns
submit_successor() { # with the same project, queue, nodes and variables; Cobalt exports those that are named
    local name settings=
    for name in @VARIABLES@; do
        # a value with a colon is the default, since --env could not have brought it
        [[ ${!name} == *:* ]] || settings+=${settings:+:}$name=${!name}
    done
    qsub -A "$COBALT_PROJECT" -q "$COBALT_QUEUE" -n "$NODES" --env "$settings" "$0"
}
@EXIT@
