"""Started by torchrun in test_gpu_distributed.py: the command lines of a file, one after the other, in one process group."""

import json
import sys
from pathlib import Path

import torch.distributed as dist
from attune_gpu.cli import main

# Made and left for each run, the next group would read the last one's addresses from torchrun's store.
dist.init_process_group("gloo")
for arguments in json.loads(Path(sys.argv[1]).read_text()):
    if code := main(arguments):
        sys.exit(code)
dist.destroy_process_group()
