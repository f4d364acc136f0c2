"""What is compared where nothing is said; the command's help shows it without importing Keras."""

DEFAULT = (
    "zero",
    "one",
    "uniform",
    "normal",
    "lecun_uniform",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "orthogonal",
    "identity",
    "data_normal",
    "fan_in_uniform",
)
EPOCHS = 20
SEEDS = 5
