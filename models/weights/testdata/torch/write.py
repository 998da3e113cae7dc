"""Writes the checkpoints next to it and values.npz, what their tensors hold.

    python3 write.py

Needs PyTorch and NumPy. The files hold a few numbers each.
"""

import argparse
import collections

import numpy as np
import torch


def tensors():
    base = torch.arange(60, dtype=torch.float32) / 7 - 3
    return collections.OrderedDict([
        ("conv.weight", base[:24].reshape(2, 3, 2, 2).clone()),
        ("last.weight", base[:24].reshape(2, 3, 2, 2).clone().to(memory_format=torch.channels_last)),
        ("turned", base[:20].reshape(4, 5).clone().t()),
        ("part", base[10:16]),
        ("half", base[:5].half()),
        ("brain", base[:5].bfloat16()),
        ("double", base[:3].double()),
        ("bn.num_batches_tracked", torch.tensor(17)),
        ("parameter", torch.nn.Parameter(base[:4].clone())),
        ("nothing", torch.zeros(0, 3)),
    ])


state = tensors()
training = {
    "epoch": 3, "best": 0.75, "arch": "resnet18", "args": argparse.Namespace(lr=0.1, data="photos"),
    "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]},
    "rng": torch.arange(3, dtype=torch.int16), "accuracy": np.float64(0.5),
    "state_dict": collections.OrderedDict(("module." + k, v) for k, v in state.items()),
}
torch.save(state, "state.pth")
torch.save(training, "training.pth")
torch.save(state, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(state, "protocol4.pth", pickle_protocol=4)
torch.save(torch.nn.Linear(2, 1), "module.pth")
torch.jit.script(torch.nn.Linear(2, 1)).save("script.pt")
np.savez("values.npz", **{k: v.detach().float().contiguous().numpy() for k, v in state.items()})
