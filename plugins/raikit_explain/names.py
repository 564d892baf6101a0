"""What inputs are called: by ``data.labels``, else by their names."""

from __future__ import annotations

from raikit.format import column_text

# An input named by its modality reads well, but for one.
_NOUNS = {"tabular": "tabular data"}


def input_name(name: str) -> str:
    """Return what people call an input: ``data.labels: {image: picture}`` names the input ``image``.

    Examples
    --------
    >>> input_name("image"), input_name("tabular")
    ('image', 'tabular data')
    """
    label = column_text(name)
    return label if label != name else _NOUNS.get(name, name)
