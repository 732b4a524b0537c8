"""The networks: one file a family, built from real Keras layers so that tfmot can wrap each one.

A network takes float32 images [b, 32, 32, 3] in [-1, 1] and returns logits. To add one, write a
function decorated with `registry.network` in a file of its own, and import that file here.
"""

from dlmo.networks import (
    cifar_resnet,
    mobilenet,
    mobilenet_v3,
    own,
    resnet,
    vggnet,
    wide_resnet,
)
from dlmo.networks.counts import architecture, macs, parameters
from dlmo.networks.registry import build, names

__all__ = ["architecture", "build", "macs", "names", "own", "parameters"]

_FAMILIES = (cifar_resnet, mobilenet, mobilenet_v3, resnet, vggnet, wide_resnet)
