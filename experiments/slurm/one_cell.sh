#!/usr/bin/env bash
# One large cell on a SLURM cluster: Lightning finds its processes by SLURM's variables, so that nothing but `srun` is
# needed. One process a GPU; a batch is per process, so that the number of documents a step grows with them.
#
#   sbatch --export=ALL,VENV=$PWD/.venv experiments/slurm/one_cell.sh --config configs/paper/mgcl.yaml --data.fold 1
#
# The job is told before its time is up (--signal), is queued again, and goes on from the last epoch's state, with the
# weights of an unbroken run. It asks for what stands below; options of sbatch win over these lines.
#SBATCH --job-name=ecpe-zoo
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

zoo="${VENV:-.venv}/bin/ecpe-zoo"
runs="${RUNS:-runs/slurm-${SLURM_JOB_ID:?run this with sbatch, or see torchrun.sh}}"
nodes="${SLURM_JOB_NUM_NODES:-1}"
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"

resume=()
last="$(find "$runs" -name last.ckpt -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2- || true)"
if [ -n "$last" ] && [ ! -e "$(dirname "$(dirname "$last")")/record.json" ]; then
  echo "goes on from $last"
  resume=(--ckpt_path "$last")
fi

requeue() {
  echo "time is nearly up: queued again"
  scontrol requeue "$SLURM_JOB_ID"
  kill -TERM "$step" 2>/dev/null || true
}
trap requeue TERM

srun "$zoo" fit "$@" "${resume[@]}" \
  --trainer.default_root_dir "$runs" \
  --trainer.num_nodes "$nodes" --trainer.devices "${SLURM_NTASKS_PER_NODE:-1}" \
  --trainer.strategy ddp --trainer.enable_progress_bar false &
step=$!
wait "$step"
