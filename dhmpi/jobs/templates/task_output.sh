if [ -n "$TASK" ]; then # each task of a job array has a results file of its own
    OUTPUT=${OUTPUT%.h5}
    OUTPUT=${OUTPUT%-"$TASK"}-$TASK.h5 # once, also in a successor, which gets the name that is made here
fi
