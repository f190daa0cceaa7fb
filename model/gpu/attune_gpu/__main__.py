"""`python -m attune_gpu`, for where the command is not on the path."""

from attune_gpu.cli import main

raise SystemExit(main())
