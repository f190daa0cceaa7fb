"""What a person can do something about. Each message says the fact and the remedy; anything else is a fault of ours."""


class AttuneError(Exception):
    """Shown as it is, without a traceback."""


class ConfigError(AttuneError):
    """A setting is wrong; one line per fault."""


class UnfitDataError(AttuneError):
    """The data cannot be used; names files and lines."""


class UnfitBaseError(AttuneError):
    """A folder is no checkpoint that this stage can start from."""


class CheckpointError(AttuneError):
    """A checkpoint is not whole: a file is missing, or is not the one that its manifest names."""


class RunFolderError(AttuneError):
    """The output folder holds something that this run must not mix with."""


class PausedError(AttuneError):
    """The run is saved and waits for people; the same command goes on."""


class GuardRailError(PausedError):
    """A guard rail of PPO stopped the run."""

    def __init__(self, rule: str, finding: str):
        self.rule, self.finding = rule, finding
        super().__init__(f"{finding} The run is paused and saved: the same command goes on and accepts this, until it gets clearly worse.")

    def __reduce__(self):
        """Between processes it is made again of what it was made of."""
        return type(self), (self.rule, self.finding)


class MachineError(AttuneError):
    """This machine cannot do it: memory, driver, disk."""
