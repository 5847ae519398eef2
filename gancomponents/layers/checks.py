"""What constructors check alike."""


def check_positive(**sizes: int) -> None:
    """Refuse sizes below one.

    Raises:
        ValueError: naming the first.

    >>> check_positive(width=8, layers=0)
    Traceback (most recent call last):
    ValueError: layers must be >= 1, got 0: give a positive whole number
    """
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}: give a positive whole number")
