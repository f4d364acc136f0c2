"""Write the standard deviation that each preset gives each role of two small models into docs/models.md.

python tools/presets.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras import layers as L

import keras_inits

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
MARK, END = "<!-- made by tools/presets.py -->", "<!-- end -->"

# What of the two models stands in the tables: column, path.
TEXT = {
    "table": "table/embeddings",
    "query": "attention_0/query/kernel",
    "value": "attention_0/value/kernel",
    "output": "attention_0/attention_output/kernel",
    "up": "up_0/kernel",
    "down": "down_0/kernel",
    "head": "head/kernel",
}
IMAGE = {
    "stem": "stem/kernel",
    "depthwise": "depthwise_0/kernel",
    "1 x 1, wider": "up_0/kernel",
    "1 x 1, back": "down_0/kernel",
    "its scale": "scale_0/gamma",
    "head": "head/kernel",
}
OF_TEXT = """keras torch flax gpt2 small_init wang fixup zero_residual deepnorm t_fixup bert deepseek olmo2 gemma t5"""
OF_IMAGES = "keras torch flax fixup zero_residual vit vit_timm mlp_mixer convnext resnet_torchvision efficientnet"


def transformer() -> keras.Model:
    """Width 64, 4 heads, 4 blocks with the normalization before their branches, 1000 words."""
    inputs = keras.Input((16,), dtype="int32")
    x = L.Embedding(1000, 64, name="table")(inputs)
    for i in range(4):
        y = L.LayerNormalization(name=f"norm_{i}")(x)
        x = L.Add()([x, L.MultiHeadAttention(4, 16, name=f"attention_{i}")(y, y)])
        y = L.Dense(256, "gelu", name=f"up_{i}")(L.LayerNormalization(name=f"second_norm_{i}")(x))
        x = L.Add()([x, L.Dense(64, name=f"down_{i}")(y)])
    return keras.Model(inputs, L.Dense(1000, name="head")(L.LayerNormalization(name="last")(x)))


def convolutional() -> keras.Model:
    """4 residual blocks of 64 channels: depthwise 7 x 7, 1 x 1 to 256 and back, batch normalization; 10 classes."""
    inputs = keras.Input((32, 32, 3))
    x = L.Conv2D(64, 4, 4, name="stem")(inputs)
    for i in range(4):
        y = L.DepthwiseConv2D(7, padding="same", name=f"depthwise_{i}")(x)
        y = L.Conv2D(256, 1, activation="gelu", name=f"up_{i}")(y)
        y = L.Conv2D(64, 1, name=f"down_{i}")(y)
        x = L.Add()([x, L.BatchNormalization(name=f"scale_{i}")(y)])
    return keras.Model(inputs, L.Dense(10, name="head")(L.GlobalAveragePooling2D()(x)))


def rows(model: keras.Model, presets: str, columns: dict[str, str]) -> list[str]:
    """A table with a row for each preset."""
    lines = [f"| preset | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    for name in presets.split():
        report = keras_inits.initialize(model, name, seed=0, dry_run=True)
        found: dict[str, Any] = {row.path: row for row in report.rows}
        cells = [_cell(found[path]) for path in columns.values()]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def _cell(row: Any) -> str:
    """The law's standard deviation; of a vector its law."""
    return row.law if len(row.shape) == 1 else f"{row.expected_std:.4g}"


def page(text: str) -> str:
    """The page with the tables made anew."""
    start, _, rest = text.partition(MARK)
    tables = [
        *rows(transformer(), OF_TEXT, TEXT),
        "",
        *rows(convolutional(), OF_IMAGES, IMAGE),
    ]
    return "\n".join([start + MARK, "", *tables, "", END + rest.partition(END)[2]])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
