#!/usr/bin/env bash
# A suite on a SLURM cluster without Ray: an array of jobs that share one folder. Each takes the next cell that nobody
# has, so that any number of them may run; the ones that are killed leave their cells to the others.
#
#   sbatch --array=1-8 --export=ALL,VENV=$PWD/.venv experiments/slurm/suite.sh \
#     experiments/suites/e2eecpe-table2.yaml --set vectors=w2v.txt --results /shared/results/e2eecpe
#SBATCH --job-name=ecpe-zoo-suite
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-task=1
#SBATCH --time=24:00:00
set -euo pipefail

exec "${VENV:-.venv}/bin/ecpe-zoo" run "$@" --no-wait --jobs 1 --threads "${SLURM_CPUS_PER_TASK:-1}"
