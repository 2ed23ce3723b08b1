"""The errors a user can meet, each with a sentence that says what is wrong and what to do."""


class SATError(Exception):
    """Base of all errors whose message is meant for the user."""


class InputError(SATError, ValueError):
    """What was given cannot be used. The command line exits with 2."""


class ModelError(SATError):
    """A model, checkpoint or text encoder is missing, damaged or does not fit."""


class OutOfMemoryError(SATError):
    """The work does not fit in memory even in its smallest form."""


class Cancelled(SATError):
    """The user stopped the work; no result that is not complete is left behind."""

    def __init__(self) -> None:
        super().__init__("Cancelled.")
