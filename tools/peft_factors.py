"""Write tests/data/lora_peft.json: where Hugging Face PEFT starts the adapters of one linear layer.

Needs peft and torch, which the library and its tests do without. Matrices are written as Keras has
them, (inputs, outputs).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from peft.tuners.lora.config import CordaConfig
from peft.tuners.lora.corda import preprocess_corda

PATH = Path(__file__).parents[1] / "tests" / "data" / "lora_peft.json"
INPUTS, OUTPUTS, SAMPLES = 12, 8, 48
CASES = {
    "pissa": {},
    "olora": {},
    "eva": {"eva_config": peft.EvaConfig(rho=1.0)},
    "corda": {"corda_config": CordaConfig(corda_method="ipm")},
}


def case(method: str, rank: int, alpha: float, extra: dict[str, Any]) -> dict[str, Any]:
    """The layer's kernel and data, and the factors and the kernel that PEFT leaves."""
    torch.manual_seed(0)
    generator = np.random.default_rng(rank)
    kernel = generator.normal(size=(INPUTS, OUTPUTS)).astype("float32")
    x = generator.normal(0.3, 1.0, (SAMPLES, INPUTS)) * np.geomspace(0.2, 3, INPUTS)
    x = x.astype("float32")
    model = torch.nn.Sequential(torch.nn.Linear(INPUTS, OUTPUTS, bias=False))
    model[0].weight.data = torch.tensor(kernel.T).contiguous()
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=["0"], init_lora_weights=method, **extra
    )
    if method == "corda":
        preprocess_corda(model, config, run_model=lambda: model(torch.tensor(x)))
    adapted = peft.get_peft_model(model, config)
    if method == "eva":
        batches = [torch.tensor(x)]
        peft.initialize_lora_eva_weights(
            adapted,
            batches,
            forward_fn=lambda m, batch: m(batch),
            prepare_model_inputs_fn=None,
            prepare_layer_inputs_fn=None,
            show_progress_bar=False,
        )
    layer = adapted.base_model.model[0]
    tensors = {
        "a": layer.lora_A["default"].weight,
        "b": layer.lora_B["default"].weight,
        "kernel_after": layer.base_layer.weight,
    }
    found = {name: tensor.detach().numpy().T for name, tensor in tensors.items()}
    found |= {"kernel": kernel} | ({"x": x} if method in ("eva", "corda") else {})
    texts = {name: [[float(f"{v:.8g}") for v in row] for row in m] for name, m in found.items()}
    return {"method": method, "rank": rank, "alpha": alpha, **texts}


def main() -> None:
    """All cases, at two ranks and scales."""
    cases = [
        case(method, rank, alpha, extra)
        for method, extra in CASES.items()
        for rank, alpha in ((2, 2.0), (4, 16.0))
    ]
    written = {"peft": peft.__version__, "torch": torch.__version__, "cases": cases}
    PATH.write_text(json.dumps(written, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
