@PLACEMENT_CORES@
mask() { # of cores, in hexadecimal
    local core digit digits=() indices
    for core in ${1//,/ }; do digits[core / 4]=$((digits[core / 4] | 1 << core % 4)); done
    indices=("${!digits[@]}")
    for ((digit = indices[-1]; digit >= 0; digit--)); do printf %x "$((digits[digit]))"; done
    echo
}
binding=mask_cpu:$(for cores in "${bound[@]}"; do mask "$cores"; done | paste -sd,)
