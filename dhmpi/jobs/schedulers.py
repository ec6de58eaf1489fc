"""Schedulers, as far as their job scripts differ."""

from dataclasses import dataclass

# What a person may set when a script is submitted, and what a script hands on to its successor.
VARIABLES = ("PROBLEM", "RUN", "MAX_EVALS", "OUTPUT", "RANKS_PER_NODE", "CHAIN", "ARGUMENTS", "MODULE")


@dataclass(frozen=True)
class Scheduler:
    """How a scheduler is spoken to.

    Attributes:
        mark: What a directive begins with.
        asked: What every job asks for; fields name, nodes, chunk, time (HH:MM:SS) and minutes.
        queue: How a queue is asked for where the site says nothing.
        submit: The command that submits a script.
        settings: Its options that set variables, as an example.
        num_nodes: How a job learns the number of its nodes, in shell.
        task: How a task of a job array learns its number, in shell; empty without job arrays.
        enter: Lines of shell with which a job enters the directory that it was submitted in.
        successor: Lines of shell, of which the last submits the script once more, with the same account and variables.
    """

    mark: str
    asked: tuple[str, ...]
    queue: str
    submit: str
    settings: str
    num_nodes: str
    task: str
    enter: tuple[str, ...]
    successor: tuple[str, ...]


SCHEDULERS = {
    # The script's directory is entered by itself, and the environment of the one who submits is exported.
    "slurm": Scheduler(
        mark="#SBATCH",
        asked=("--job-name={name}", "--nodes={nodes}", "--time={time}", "--output=%x-%j.out"),
        queue="--partition=",
        submit="sbatch",
        settings="--export=ALL,MAX_EVALS=2000,OUTPUT=mine.h5",
        num_nodes="$SLURM_JOB_NUM_NODES",
        task="${SLURM_ARRAY_TASK_ID:-}",
        enter=(),
        successor=(
            f"export {' '.join(VARIABLES)}",
            'sbatch ${SLURM_JOB_ACCOUNT:+"--account=$SLURM_JOB_ACCOUNT"} --nodes="$NODES" "$0"',
        ),
    ),
    # Nothing is exported; jobs begin in the home directory.
    "pbs": Scheduler(
        mark="#PBS",
        asked=("-N {name}", "-l select={nodes}{chunk}", "-l walltime={time}", "-j oe"),
        queue="-q ",
        submit="qsub",
        settings="-v MAX_EVALS=2000,OUTPUT=mine.h5",
        num_nodes='$(sort -u "$PBS_NODEFILE" | wc -l)',
        task="${PBS_ARRAY_INDEX:-${PBS_ARRAYID:-}}",  # of PBS Pro, and of Torque
        enter=('cd "$PBS_O_WORKDIR" || exit',),
        successor=(
            "account=$(qstat -f \"$PBS_JOBID\" | sed -n 's/^ *Account_Name = //p')",
            f"export {' '.join(VARIABLES)}",
            f"names={','.join(VARIABLES)}",
            'qsub ${account:+-A "$account"} -v "$names" "$0"',
        ),
    ),
    # Nothing is exported; values are separated by colons.
    "cobalt": Scheduler(
        mark="#COBALT",
        asked=("-n {nodes}", "-t {minutes}", "--jobname {name}", "-O {name}-$jobid"),
        queue="-q ",
        submit="qsub",
        settings="--env MAX_EVALS=2000:OUTPUT=mine.h5",
        num_nodes="$COBALT_JOBSIZE",
        task="",
        enter=(),
        successor=(
            "settings=",
            f"for name in {' '.join(VARIABLES)}; do",
            "    # a value with a colon is the default, since --env could not have brought it",
            "    [[ ${!name} == *:* ]] || settings+=${settings:+:}$name=${!name}",
            "done",
            'qsub -A "$COBALT_PROJECT" -q "$COBALT_QUEUE" -n "$NODES" --env "$settings" "$0"',
        ),
    ),
}
