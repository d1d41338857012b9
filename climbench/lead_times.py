"""Lead times in words."""


def lead_name(hours: float) -> str:
    """Return a lead time as people write it: in hours, or in minutes below one.

    Examples
    --------
    >>> lead_name(24.0), lead_name(1.5), lead_name(1 / 6)
    ('24 h', '1.5 h', '10 min')
    """
    minutes = 60 * hours
    if 0 < hours < 1 and abs(minutes - round(minutes)) < 1e-6:
        return f"{round(minutes)} min"
    return f"{hours:g} h"
