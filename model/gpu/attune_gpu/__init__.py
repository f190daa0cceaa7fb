"""Attune's training stages in PyTorch. It meets the TypeScript side through files and the worker protocol alone."""

__version__ = "0.1.0"
