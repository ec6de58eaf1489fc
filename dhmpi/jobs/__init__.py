"""Starting dhmpi where there are schedulers: the launcher's line, and job scripts for sites."""
