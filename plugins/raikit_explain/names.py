"""What inputs are called, by ``data.labels``, else by their names; and what methods are called."""

from __future__ import annotations

from typing import Literal, get_args

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


MethodName = Literal["integrated_gradients", "gradient_shap", "deep_lift", "saliency", "input_x_gradient", "grad_cam", "lrp"]
"""Methods by gradients, as `raikit_explain.estimates.methods` has them, which is too heavy to import for their names."""
METHODS: tuple[str, ...] = get_args(MethodName)

_TITLES = {
    "integrated_gradients": "Integrated Gradients", "gradient_shap": "GradientSHAP", "deep_lift": "DeepLift",
    "input_x_gradient": "Input × Gradient", "grad_cam": "Grad-CAM", "lrp": "LRP", "lime": "LIME",
    "kernel_shap": "KernelSHAP", "shapley_value_sampling": "Shapley sampling", "feature_ablation": "Feature Ablation",
}


def method_name(name: str) -> str:
    """Return what people call a method of Captum's.

    Examples
    --------
    >>> method_name("integrated_gradients"), method_name("saliency")
    ('Integrated Gradients', 'Saliency')
    """
    return _TITLES.get(name, name.replace("_", " ").capitalize())
