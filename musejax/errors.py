"""What a user did wrong, said in one line."""


class UserError(Exception):
    """A mistake in what was given: the message names it, what was found and what would work (exit status 2)."""


class DiscardError(Exception):
    """A piece lies outside a codec's domain; the message is the reason under which it is counted."""


class TrainingError(Exception):
    """Training cannot go on: the loss is not finite, or a write failed (exit status 1)."""


def failure(what: str, error: Exception) -> str:
    """Returns the reason under which a file is counted that an unforeseen exception spoilt.

    Args:
        what: What failed, such as `could not be read`.
        error: The exception.
    """
    text = " ".join(str(error).split())[:120].encode("utf-8", "backslashreplace").decode()
    return f"{what} ({type(error).__name__}{': ' + text if text else ''})"
