import numpy as np
import pandas as pd
import torch

from raikit.models.torch_module import _table


def test_a_table_with_gaps_and_of_several_types_becomes_one_tensor():
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, False], "c": [np.nan, 2.5]})
    tensor = _table(frame)
    assert tensor.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, 2.5]]
    assert tensor.dtype == torch.float32
