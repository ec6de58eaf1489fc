case $SEARCH in # what is searched, and the results file, if nothing else is said
    nas-* | ppo-*) problem=dhmpi.benchmark.nas.linearReg.problem.Problem output=nas_${SEARCH#nas-}.h5 ;;
    *) problem=dhmpi.benchmark.hps.polynome2.Problem output=$SEARCH.h5 ;;
esac
[ -n "$PROBLEM" ] || PROBLEM=$problem
[ -n "$OUTPUT" ] || OUTPUT=${output//-/_}
