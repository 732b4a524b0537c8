"""Rewriting: the same weights in a file, with the quantization as older converters wrote it.

Nothing is measured by running it; only its size counts, beside sizes that the paper prints.
"""

from typing import Any

import numpy as np

from dlmo.deployable import Content, Deployable, Tensor
from dlmo.instruments.cutting import pack

_CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D"}


def with_older_quantization(found: Deployable) -> Content:
    """Return a file with its quantization stored as TensorFlow's older converter stored it.

    A fully connected layer has one scale; today's has one for each output, and so has its bias. A
    convolution that scales its input while it runs (BLQ, PRQ) keeps the smallest and the largest
    weight of each channel beside the scale, four bytes each. The numbers of the weights stay.

    Source: TensorFlow's `lite/tools/optimize/quantization_utils.cc`
    (`SymmetricQuantizeTensorPerChannel` and `SymmetricQuantizeTensor`).
    """
    from ai_edge_litert.schema_py_generated import ModelT

    whole = ModelT.InitFromPackedBuf(found.data)
    for node in found.nodes:
        tensors = whole.subgraphs[node.subgraph].tensors
        if node.name == "FULLY_CONNECTED":
            for index in node.inputs[1:]:
                if index >= 0:
                    _with_one_scale(tensors[index], found.tensor(index, node.subgraph))
        elif node.name in _CONVOLUTIONS and found.tensor(node.inputs[0], node.subgraph).is_float:
            kernel = node.inputs[1]
            _with_range(tensors[kernel], found.tensor(kernel, node.subgraph))
    return pack(whole)


def _with_one_scale(written: Any, tensor: Tensor) -> None:
    if tensor.scale.size > 1:
        written.quantization.scale = tensor.scale.max(keepdims=True)
        written.quantization.zeroPoint = np.zeros(1, np.int64)


def _with_range(written: Any, tensor: Tensor) -> None:
    if tensor.scale.size <= 1 or tensor.content is None:
        return
    numbers = np.frombuffer(tensor.content, tensor.dtype).reshape(tensor.shape)
    others = tuple(axis for axis in range(numbers.ndim) if axis != tensor.axis)
    written.quantization.min = (numbers.min(others) * tensor.scale).astype(np.float32)
    written.quantization.max = (numbers.max(others) * tensor.scale).astype(np.float32)
