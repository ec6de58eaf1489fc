@PLACEMENT_CORES@
binding=list:$(IFS=: && echo "${bound[*]}")
