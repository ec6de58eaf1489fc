# @TITLE@.
# @FACTS@
give_up() { # with a sentence, and the status of what cannot be used
    echo "$1" >&2
    exit @INPUT@
}
check_number() { # the name of a variable, and the least value that it may have
    [[ ${!1} =~ ^[[:digit:]]{1,9}$ && ${!1} != 0?* && ${!1} -ge $2 ]] ||
        give_up "$1 must be a whole number from $2 to @MAX_NUMBER@, got ${!1}"
}
SEARCH=${SEARCH:-@SEARCH@} # one of @SEARCHES@
PROBLEM=${PROBLEM:-@PROBLEM@}
RUN=${RUN:-@RUN@}
MAX_EVALS=${MAX_EVALS:-@MAX_EVALS@}
OUTPUT=${OUTPUT:-@OUTPUT@}
GPUS_PER_EVAL=${GPUS_PER_EVAL:-@GPUS_PER_EVAL@} # of the @GPUS@ of a node; 0: evaluations are given none of their own
@GPU_NUMBER@
RANKS_PER_NODE=${RANKS_PER_NODE:-@RANKS_PER_NODE@}
CHAIN=${CHAIN:-@CHAIN@}
ARGUMENTS=${ARGUMENTS:-@ARGUMENTS@} # more options of the search; quotes hold words together
MODULE=${MODULE-@MODULE@} # modules that bring dhmpi; nothing if it is in PATH
check_number MAX_EVALS 1
check_number RANKS_PER_NODE 1
[[ $CHAIN == [01] ]] || give_up "CHAIN must be 0 or 1, got $CHAIN"
@SEARCH_DEFAULTS@
