@PLACEMENT_PALS@
export ZE_ENABLE_PCI_ID_DEVICE_ORDER=1 # the first half of the tiles is near the first socket
# All tiles: 1.1 is the fourth where the hierarchy is COMPOSITE, as by default there, and 3 where it is FLAT.
tiles=$(seq -s, 0 11)
[ "$ZE_FLAT_DEVICE_HIERARCHY" != COMPOSITE ] || tiles=$(printf '%s\n' {0..5}.{0..1} | paste -sd,)
export ZE_AFFINITY_MASK=${ZE_AFFINITY_MASK:-$tiles}
copper=/tmp/$USER/copper
if [ "$NODES" -gt 1000 ] && [ -n "$DHMPI_ROOT" ]; then # else imports of so many overload Lustre
    module load copper
    launch_copper.sh -v "$copper" -b 49,50,51 ||
        give_up "Copper must start on more than 1000 nodes, and does not; bring dhmpi to /tmp of each node instead"
    packages=("$DHMPI_ROOT"/venv/lib/python3*/site-packages)
    export PYTHONPATH=$copper${packages[0]}${PYTHONPATH:+:$PYTHONPATH}
fi
