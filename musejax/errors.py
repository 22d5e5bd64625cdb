"""What a user did wrong, said in one line."""


class UserError(Exception):
    """A mistake in what was given: the message names it, what was found and what would work (exit status 2)."""


class DiscardError(Exception):
    """A piece lies outside a codec's domain; the message is the reason under which it is counted."""


class TrainingError(Exception):
    """Training cannot go on: the loss is not finite, or a write failed (exit status 1)."""
