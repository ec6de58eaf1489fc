#!/bin/bash -l
#PBS -N @NAME@
#PBS -l select=@NODES@@CHUNK@
#PBS -l walltime=@TIME@
#PBS -j oe
#PBS @DIRECTIVES@

# --- submit: qsub @PAYS@jobs/@FILE@
#     or, for example: qsub @PAYS@-v MAX_EVALS=2000,OUTPUT=mine.h5 jobs/@FILE@
@SETTINGS@

# --- modules: PBS exports nothing of the environment in which it was submitted
@MODULE_LOAD@

# --- environment
cd "$PBS_O_WORKDIR" || exit # jobs begin in the home directory
NODES=$(sort -u "$PBS_NODEFILE" | wc -l)
TASK=${PBS_ARRAY_INDEX:-${PBS_ARRAYID:-}} # of PBS Pro, and of Torque
@TASK_OUTPUT@
@ENVIRONMENT@

# --- launch line
@PREPARE@
@LAUNCH@

# --- exit status: success is proved by the mark in the results file, not by what a launcher returns
submit_successor() { # with the same account and variables; PBS exports those that are named
    local account names="@VARIABLES@"
    account=$(qstat -f "$PBS_JOBID" | sed -n 's/^ *Account_Name = //p')
    export @VARIABLES@
    qsub ${account:+-A "$account"} -v "${names// /,}" "$0"
}
@EXIT@
