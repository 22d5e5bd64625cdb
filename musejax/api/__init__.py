"""The public functions. Their modules import nothing heavy until a function is called."""
