#!/bin/bash -l
#SBATCH --job-name=@NAME@
#SBATCH --nodes=@NODES@
#SBATCH --time=@TIME@
#SBATCH --output=%x-%j.out
#SBATCH @DIRECTIVES@

# --- submit: sbatch @PAYS@jobs/@FILE@
#     or, for example: sbatch @PAYS@--export=ALL,MAX_EVALS=2000,OUTPUT=mine.h5 jobs/@FILE@
@SETTINGS@

# --- modules
@MODULE_LOAD@

# --- environment
NODES=$SLURM_JOB_NUM_NODES
TASK=${SLURM_ARRAY_TASK_ID:-}
@TASK_OUTPUT@
@ENVIRONMENT@

# --- launch line
@PREPARE@
@LAUNCH@

# --- exit status: success is proved by the mark in the results file, not by what a launcher returns
submit_successor() { # with the same account and variables; Slurm exports what is in the environment
    export @VARIABLES@
    sbatch ${SLURM_JOB_ACCOUNT:+"--account=$SLURM_JOB_ACCOUNT"} --nodes="$NODES" "$0"
}
@EXIT@
