"""The outputs of cells: large ones as bytes outside the cells' records, and their short forms."""
