"""What can go wrong before Kernelcord runs.

InvalidSettings   settings that cannot be used: problems, one sentence each
StepFailed        a command of the set-up failed: step, output, code
"""

__all__ = ["InvalidSettings", "StepFailed"]


class InvalidSettings(ValueError):
    """Settings that cannot be used; `problems` has one sentence for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StepFailed(Exception):
    """A step of the set-up ended with `code` (-1 if it could not be started) after printing `output`."""

    def __init__(self, step: str, output: str, code: int) -> None:
        super().__init__(f"{step}: exit status {code}")
        self.step = step
        self.output = output
        self.code = code
