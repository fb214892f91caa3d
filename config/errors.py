"""What can go wrong before Kernelcord runs.

ConfigError
├── InvalidSettings   problems: a sentence each
└── StepFailed        step, output, code: one command of the set-up ended badly
"""

__all__ = ["ConfigError", "InvalidSettings", "StepFailed"]


class ConfigError(Exception):
    """Kernelcord cannot start as it is configured or installed."""


class InvalidSettings(ConfigError, ValueError):
    """Settings that cannot be used; `problems` has one sentence for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StepFailed(ConfigError):
    """A step of the set-up ended with `code` (-1 when it could not be started) after printing `output`."""

    def __init__(self, step: str, output: str, code: int) -> None:
        super().__init__(f"{step}: exit status {code}")
        self.step = step
        self.output = output
        self.code = code
