"""Pictures: how a model does on its held-out rows, as SVG text that follows from numbers alone."""
