"""What the torch peers' scripts share: their weights, gradients and draws as named arrays.

Nothing is recomputed: a peer's own update runs, with optimisers that note the gradient and leave the weights alone.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

Arrays = dict[str, np.ndarray]


def array(tensor: Any) -> np.ndarray:
    """A copy of a tensor's values."""
    return tensor.detach().cpu().numpy().copy()


def layers(prefix: str, *modules: nn.Module, gradient: bool = False) -> Arrays:
    """Weights (or gradients) of the dense layers inside, in the order that the modules hold them."""
    dense = [layer for module in modules for layer in module.modules() if isinstance(layer, nn.Linear)]
    found = {}
    for index, layer in enumerate(dense):
        for name in ("weight", "bias"):
            value = getattr(layer, name)
            found[f"{prefix}/{index}/{name}"] = array(value.grad if gradient else value)
    return found


def weights(prefix: str, module: nn.Module, gradient: bool = False) -> Arrays:
    """Every weight (or gradient) of a module by torch's own name."""
    return {f"{prefix}/{name}": array(each.grad if gradient else each) for name, each in module.named_parameters()}


def unsettle(*modules: nn.Module, scale: float = 0.1) -> None:
    """Moves weights off their values, so that a slow copy differs from the live network."""
    with torch.no_grad():
        for module in modules:
            for parameter in module.parameters():
                parameter.add_(scale * torch.randn_like(parameter))


class Still:
    """In place of an optimiser's step: notes the gradients of `networks` under `name`, and changes nothing."""

    def __init__(self, into: Arrays, name: str, **networks: Any):
        self.into, self.name, self.networks = into, name, networks

    def __call__(self, *_: Any, **__: Any) -> None:
        for network, part in self.networks.items():
            prefix = f"gradient/{self.name}/{network}"
            if isinstance(part, nn.Parameter):
                self.into[prefix] = array(part.grad).reshape(-1)
                continue
            members = part if isinstance(part, list) else [part]
            for index, member in enumerate(members):
                each = f"{prefix}/{index}" if isinstance(part, list) else prefix
                modules = member if isinstance(member, tuple) else (member,)
                self.into |= layers(each, *modules, gradient=True)


def command_line(makers: dict[str, Any]) -> None:
    """`script.py METHOD SIZE FILE`: writes the arrays that METHOD gives at SIZE."""
    from sizes import SIZES

    method, size, file = sys.argv[1:]
    torch.manual_seed(0)
    np.savez(file, **makers[method](SIZES[size]))
