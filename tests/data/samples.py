"""Samples that say where their pixels came from."""

import torch


def positions(height, width):
    """Every field holds where its pixels came from, so that fields can be compared after the transform."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    code = (rows * width + columns)[None].float()
    return {
        "x": torch.stack([rows, columns, rows]).to(torch.uint8),
        "d": code,
        "s": code.long(),
        "m": code.clone(),
    }


def seeded(seed):
    return torch.Generator().manual_seed(seed)
