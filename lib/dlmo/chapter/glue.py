"""Gluing: sentences and numbers into the text, as plain values."""


def glue(**values: str | float) -> None:
    """Glue each value under its name, without showing it.

    Raises:
        TypeError: a value is neither text nor a plain number; the page would show its type.
    """
    from myst_nb import glue as paste

    for name, value in values.items():
        # A NumPy scalar is a float too, but its text is `np.float64(0.7)`.
        if type(value) not in (str, float, int):
            raise TypeError(f"{name} is {value!r}; glue plain text or a plain number")
        paste(name, value, display=False)
