#!/usr/bin/env bash
# One run on two machines of eight GPUs each, under Slurm. NOT RUN BY US on Slurm: its torchrun line, of one machine and on CPUs, is what the tests run.
#   sbatch model/gpu/examples/slurm.sh /data/sft.json
# The settings, and every folder they name, lie where all machines see them. Where a process or a machine is lost, torchrun starts all of them again
# from the last checkpoint; a run that pauses for people stays paused. A job that Slurm requeues does the same.
#SBATCH --job-name=attune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --requeue
# Ten minutes before the end: the run saves after its step, and ends.
#SBATCH --signal=TERM@600
set -euo pipefail

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun \
  --nnodes="$SLURM_NNODES" --nproc-per-node=8 --max-restarts=3 \
  --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d --rdzv-endpoint="$head:29500" \
  -m attune_gpu sft --config "$1"
