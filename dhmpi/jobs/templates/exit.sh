dhmpi show "$OUTPUT" --is-complete --since "$began"
case $? in
    0) exit 0 ;; # complete
    @INCOMPLETE@) # not complete, but evaluations have ended in this job
        if [ "$CHAIN" = 1 ] && submit_successor; then
            exit 0
        fi
        ;;
    @NO_PROGRESS@)
        [ "$CHAIN" != 1 ] ||
            echo "the chain ends: nothing has come of this job, and nothing would of the next one" >&2
        ;;
esac
[ "$status" != 0 ] || status=@INCOMPLETE@ # submit this script again to continue
exit "$status"
