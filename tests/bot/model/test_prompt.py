"""What the model is told about variables."""

from bot.model.prompt import situation
from kernels.cell.result import Variable
from kernels.interface import State


def test_saved_variables_are_not_called_gone() -> None:
    """The model need not make them again; what lives in a kernel is listed."""
    assert "those after cell 12 are saved" in situation(State(saved=12))
    assert situation(State()) == "Variables now: none; the kernel is fresh."
    alive = State(alive=True, variables=(Variable("x", "int", "1"),), saved=12)
    assert situation(alive) == "Variables now:\n- x: int 1"
