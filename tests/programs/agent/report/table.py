from .money import CENT

COLUMNS = ("region", "sales", "days", "first", "total", "mean")


def render(rows):
    cells = [[format(row[name], ".3f") if isinstance(row[name], float) else str(row[name]) for name in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *cells)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in [COLUMNS, *cells]
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines) + f"\nrounded to {CENT}"
