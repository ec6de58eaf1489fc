# @TITLE@.
# @FACTS@
SEARCH=${SEARCH:-@SEARCH@} # one of @SEARCHES@
PROBLEM=${PROBLEM:-@PROBLEM@}
RUN=${RUN:-@RUN@}
MAX_EVALS=${MAX_EVALS:-@MAX_EVALS@}
OUTPUT=${OUTPUT:-@OUTPUT@}
GPUS_PER_EVAL=${GPUS_PER_EVAL:-@GPUS_PER_EVAL@} # of the @GPUS@ of a node; 0: ranks are given none of their own
RANKS_PER_NODE=${RANKS_PER_NODE:-@RANKS_PER_NODE@}
CHAIN=${CHAIN:-@CHAIN@}
ARGUMENTS=${ARGUMENTS:-@ARGUMENTS@} # more options of the search; quotes hold words together
MODULE=${MODULE-@MODULE@} # modules that bring dhmpi; nothing if it is in PATH
@SEARCH_DEFAULTS@
