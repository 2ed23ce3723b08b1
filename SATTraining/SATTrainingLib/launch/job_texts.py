"""The scripts of a job folder, and the page that explains them."""

from __future__ import annotations

import re
from pathlib import Path

_RUN = """
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
rm -f run/stop
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=240
exec "${PYTHON:-python}" -m torch.distributed.run --standalone --nproc-per-node "$gpus" --max-restarts 1 \\
  -m -- SATTrainingLib train --config config.yaml --run run
"""

_SLURM = """
set -euo pipefail
cd -- "$SLURM_SUBMIT_DIR"

# What the cluster needs before Python works, such as:
# module load cuda; source "$HOME/satsegment/bin/activate"

# Five minutes before the time is over SLURM sends USR1: save a checkpoint, end, and queue this job again.
again=no
trap 'again=yes; touch run/stop || :' USR1
rm -f run/stop

# After SIGTERM, as before a preemption, the processes have this long for their checkpoint.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=240

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
srun --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 \\
  "${PYTHON:-python}" -m torch.distributed.run \\
  --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node "$gpus" --max-restarts 1 \\
  --rdzv-id "$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}" --rdzv-backend c10d \\
  --rdzv-endpoint "${hosts[0]}:$((20000 + SLURM_JOB_ID % 20000))" \\
  -m -- SATTrainingLib train --config config.yaml --run run &
step=$!

# a signal ends `wait` before the step ends
while :; do
  status=0
  wait "$step" || status=$?
  kill -0 "$step" 2>/dev/null || break
done

# Paused by a signal, not by hand: the time was over, or SLURM makes room for another job.
if { [ "$again" = yes ] || [ "$status" != 0 ]; } && grep -q '"state": "paused"' run/state.json; then
  rm -f run/stop
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
"""

_README = """Training job of SlicerSAT
=========================

{contents}

1. Copy this whole folder to the cluster, to a disk that all its computers see.

2. Install SlicerSAT there, once, in an environment of Python 3.10 to 3.13, from a copy of its source:

       pip install "PATH/TO/SlicerSAT[train]"
{download}
3. Start the training in this folder.

   With SLURM ({computers}):

       sbatch slurm.sh

   Look at the first lines of slurm.sh before: most clusters want a partition or an account named there. Where the time
   is over before the training is, or SLURM makes room for another job, this one saves a checkpoint and queues itself
   again. What stopped it is in slurm-NUMBER.txt.

   On one computer without SLURM:

       bash run.sh              on {gpus} GPU(s)
       GPUS=4 bash run.sh       on another number of GPUs; "batch" in config.yaml must be a multiple of
                                "windows_at_once" times that number
       PYTHON=/a/python bash run.sh

   Started again, either goes on at the last checkpoint.

4. While it runs:

       tail -f run/events.jsonl             losses and validation
       tensorboard --logdir run/tensorboard
       touch run/stop                       save a checkpoint and end

5. Bring the run back. Either make a model of it there and import it on any computer:

       sattraining export --run run --name NAME --output NAME --zip NAME.zip
       satsegment models import NAME.zip

   or copy the folder "run", under a name of your choice, to
       {runs}
   of the computer this job was made on: SAT Training lists it among the runs.
"""


def run_script(gpus: int) -> str:
    """Bash: trains on one computer."""
    return (
        "#!/usr/bin/env bash\n"
        "# Trains on the GPUs of this computer. Started again, it goes on at the last checkpoint.\n"
        f"set -euo pipefail\ngpus=${{GPUS:-{gpus}}}\n{_RUN}"
    )


def slurm_script(name: str, gpus: int, nodes: int, hours: int, cpus: int) -> str:
    """Bash for sbatch: trains on `nodes` computers with `gpus` GPUs and `cpus` CPU cores each."""
    options = {
        "job-name": re.sub(r"[^A-Za-z0-9_.-]+", "-", name),
        "nodes": nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": gpus,
        "cpus-per-task": cpus,
        "time": f"{hours}:00:00",
        "signal": "B:USR1@300",
        "output": "slurm-%j.txt",
        "open-mode": "append",
    }
    lines = [f"#SBATCH --{option}={value}" for option, value in options.items()]
    return "\n".join(["#!/usr/bin/env bash", *lines, "#SBATCH --requeue", f"gpus={gpus}", _SLURM.lstrip("\n")])


def readme(gpus: int, nodes: int, download: str, with_data: bool, runs: Path) -> str:
    """What to do with the folder.

    Args:
        gpus, nodes: See `job.write_job`.
        download: Name of a published model that the training starts from, or nothing.
        with_data: Whether images and masks are in it.
        runs: Where a run goes that is brought back.
    """
    contents = (
        "Images and masks are in it, under data: keep it where such data may be kept."
        if with_data
        else "Images and masks are not in it: cases.jsonl says where they are on the computer it was made on.\n"
        "Where they lie elsewhere on the cluster, change the paths in it; they may be relative to cases.jsonl."
    )
    fetch = f"\n   and get the model that the training starts from:\n\n       satsegment models download {download}\n"
    return _README.format(
        contents=contents,
        download=fetch if download else "",
        computers=f"{nodes} computer{'s' if nodes > 1 else ''}, {gpus} GPU{'s' if gpus > 1 else ''} each",
        gpus=gpus,
        runs=runs,
    )
