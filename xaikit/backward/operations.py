"""What autograd calls the operations, and which of them are linear."""

from __future__ import annotations

import re
from typing import Any

from torch.autograd.graph import Node

LINEAR = re.compile(
    "Add|Sub|Rsub|Neg|Mul|Div|Sum|Mean|Cumsum|Clone|Alias|ToCopy|CopySlices|CopyBackwards|Copy|"
    "(Unsafe)?View|ReshapeAlias|AsStrided|Unsqueeze|Squeeze|Transpose|T|Permute|Expand|Repeat|"
    "Cat|Stack|(Unsafe)?Split(WithSizes)?|Unbind|Select|Slice|Index|IndexSelect|Embedding|Gather|Diagonal|Roll|"
    "Flip|Rot90|Unfold|Im2Col|Col2Im|PixelShuffle|PixelUnshuffle|ChannelShuffle|MaskedFill|Where|Tril|Triu|NativeDropout|"
    "ConstantPadNd|(Reflection|Replication)Pad[123]D|Upsample.*|(Mkldnn)?(Adaptive)?AvgPool[123]D|"
    "Addmm|Mm|Bmm|Baddbmm|Mv|Addcmul|Linear|MkldnnLinear|(Mkldnn)?Convolution|"
    "IndexPut|IndexAdd|(Slice|Select|Diagonal)Scatter|(Cudnn)?GridSampler([23]D)?|Lerp|MaxUnpool[23]D|AccumulateGrad"
)
"""Operations that are linear in any one of their operands, but for those of ``NONLINEAR_IN``."""

NONLINEAR_IN = {"GridSampler2D": 1, "GridSampler3D": 1, "CudnnGridSampler": 1, "Lerp": 2}
"""The operand that a linear operation is not linear in: where to look, and how much of each side."""

HOMOGENEOUS = re.compile(
    "Relu|LeakyRelu|Prelu(Kernel)?|Abs|(Adaptive|Mkldnn|Fractional)?MaxPool[123]D(WithIndices)?|Max|Min|Amax|Amin|"
    "Maximum|Minimum|Kthvalue|Median|Nanmedian|LinalgVectorNorm|Sort|Topk|Clamp(Min|Max)?|Threshold|(Native|Cudnn|Miopen)BatchNorm"
)
"""Operations of which f(ax) = a f(x), or that are linear in pieces; batch normalization in evaluation is."""

PRODUCTS = {
    "Mul": (0, 1),
    "Bmm": (0, 1),
    "Mm": (0, 1),
    "Mv": (0, 1),
    "Linear": (0, 1),
    "Convolution": (0, 1),
    "Addmm": (1, 2),
    "Baddbmm": (1, 2),
    "Addcmul": (1, 2),
}
"""The two operands that an operation multiplies."""

MATRICES = {"Bmm", "Mm", "Baddbmm"}

MOVED = {
    *("Clone", "Alias", "View", "UnsafeView", "ReshapeAlias", "Permute", "Transpose"),
    *("Unsqueeze", "Squeeze", "ToCopy", "ConstantPadNd"),
}
"""Operations that only arrange what they are given, or put zeros around it."""

SHAPED = {"View", "UnsafeView", "ReshapeAlias", "Alias", "Expand", "Clone"}
"""What a dense layer does to its input before it multiplies."""

BATCH_NORMALIZATIONS = {"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm"}

SOFTMAX = {"Softmax", "SafeSoftmax"}
BOUNDED = {"Sigmoid", "Tanh", "Erf", "Hardsigmoid"}
"""Functions that gate by what they are multiplied with, and not by what they are given."""

POWERS = {"Pow"}
"""What else activation functions are written out with."""

SCALES = {"Rsqrt", "Reciprocal"}


def operation(node: Node) -> str:
    """The name of what a node differentiates.

    >>> import torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> operation(x.exp().grad_fn), operation(torch.relu(x).grad_fn)
    ('Exp', 'Relu')
    """
    return re.sub(r"(Backward\d*)?$", "", node.name().rpartition("::")[2])


def is_attention(name: str) -> bool:
    """Whether it is attention as one operation."""
    return name.startswith("ScaledDotProduct")


def is_relu(node: Any) -> bool:
    """Whether it is a ReLU, by whichever name, or one that is cut off above as ReLU6 is."""
    name = operation(node)
    low = {
        "Hardtanh": "_saved_min_val",
        "Threshold": "_saved_threshold",
        "ClampMin": "_saved_min",
        "Clamp": "_saved_min",
    }
    return name == "Relu" or (name in low and is_zero(getattr(node, low[name], None)))


def is_zero(value: Any) -> bool:
    """Whether it is the number 0, and no tensor."""
    return isinstance(value, (int, float)) and value == 0
