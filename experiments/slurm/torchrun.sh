#!/usr/bin/env bash
# One large cell on several machines without a scheduler: the same line on each of them, with its own rank.
#
#   NODES=2 RANK_OF_NODE=0 HEAD=10.0.0.1 experiments/slurm/torchrun.sh --config configs/paper/mgcl.yaml --data.fold 1
#
# On one machine NODES, RANK_OF_NODE and HEAD may be left out. Corpora, vectors and encoders have to lie on each machine.
set -euo pipefail

bin="${VENV:-.venv}/bin"
nodes="${NODES:-1}"
gpus="${GPUS:-$({ nvidia-smi --list-gpus 2>/dev/null || true; } | wc -l)}"
if [ "$gpus" -lt 1 ]; then gpus=1; fi

exec "$bin/torchrun" --nnodes "$nodes" --nproc-per-node "$gpus" --node-rank "${RANK_OF_NODE:-0}" \
  --master-addr "${HEAD:-127.0.0.1}" --master-port "${PORT:-29400}" \
  -m ecpe_zoo fit "$@" \
  --trainer.num_nodes "$nodes" --trainer.devices "$gpus" --trainer.strategy ddp --trainer.enable_progress_bar false
