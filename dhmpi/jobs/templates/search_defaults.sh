case $SEARCH in
    @SEARCH_PATTERN@) ;;
    *) give_up "SEARCH must be one of @SEARCHES@, got $SEARCH" ;;
esac
case $SEARCH in # what is searched, and the results file, if nothing else is said
    nas-* | ppo-*) problem=dhmpi.benchmark.nas.linearReg.problem.Problem output=nas_${SEARCH#nas-}.h5 ;;
    *) problem=dhmpi.benchmark.hps.polynome2.Problem output=$SEARCH.h5 ;;
esac
[ -n "$PROBLEM" ] || PROBLEM=$problem
[ -n "$OUTPUT" ] || OUTPUT=${output//-/_}
