"""Change one number of the library at a time and see that the tests notice.

    python tools/mutants.py

Each mutant is one line: a file, what stands there, what to put in its place, and the tests that must
fail then. The changed copy of the package lies in a temporary folder; exits 1 if a mutant survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras_inits

PACKAGE = Path(keras_inits.__file__).parent
TESTS = Path(__file__).parent.parent / "tests"
GENERAL = "schemes/variance_scaling/general.py"
NAMED = "schemes/variance_scaling/named.py"
PYTORCH = "schemes/variance_scaling/pytorch.py"
STRUCTURED = "test_structured.py"

# file, before, after, tests
MUTANTS = [
    (GENERAL, "math.sqrt(3.0) * stddev)", "math.sqrt(2.0) * stddev)", "test_laws.py -k Uniform"),
    (GENERAL, '"fan_in": float(fan_in)', '"fan_in": float(fan_out)', "test_laws.py -k HeNormal"),
    (GENERAL, '"fan_avg": (fan_in + fan_out) / 2.0', '"fan_avg": fan_in + fan_out', "test_laws.py -k Glorot"),
    (GENERAL, "math.sqrt(fan_in * fan_out)", "fan_in * fan_out", "test_laws.py -k VarianceScaling"),
    (GENERAL, "stddev / TRUNCATED_STDDEV, -2.0, 2.0", "stddev, -2.0, 2.0", "test_laws.py -k VarianceScaling"),
    (GENERAL, "0.87962566103423978", "0.88962566103423978", "test_laws.py -k VarianceScaling"),
    (NAMED, 'scale, mode, distribution = 2.0, "fan_in", "uniform"', 'scale, mode, distribution = 1.0, "fan_in", "uniform"', "test_laws.py -k HeUniform"),
    (NAMED, 'scale, mode, distribution = 2.0, "fan_in", "untruncated_normal"', 'scale, mode, distribution = 2.0, "fan_in", "truncated_normal"', "test_laws.py -k HeNormal"),
    (NAMED, 'scale, mode, distribution = 1.0, "fan_avg", "untruncated_normal"', 'scale, mode, distribution = 1.0, "fan_in", "untruncated_normal"', "test_laws.py -k GlorotNormal"),
    (PYTORCH, "/ math.sqrt(3.0)", "/ math.sqrt(2.0)", "test_laws.py -k FanInUniform"),
    (PYTORCH, "self.gain * math.sqrt(1.0 / n)", "math.sqrt(self.gain / n)", "test_laws.py -k Xavier"),
    (PYTORCH, "torch_gain(self.nonlinearity, self.a) / math", "torch_gain(self.nonlinearity, 0.0) / math", "test_laws.py -k Kaiming"),
    ("gains.py", "5.0 / 3.0", "5.0 / 4.0", "test_laws.py -k Kaiming"),
    ("gains.py", '"selu": 3.0 / 4.0', '"selu": 1.0', "test_laws.py -k Kaiming"),
    ("gains.py", '"linear": 1.0,\n    "relu": math.sqrt(2.0)', '"linear": 1.0,\n    "relu": 2.0', "test_fans_gains.py -k gain_forward"),
    ("gains.py", "-z * z / 2", "-z * z", "test_fans_gains.py -k gain_forward"),
    ("fans.py", "field = math.prod(dims[:-2])", "field = math.prod(dims[:2])", "test_fans_gains.py -k compute_fans"),
    ("schemes/uniform_normal.py", "laws.Uniform(-self.scale, self.scale", "laws.Uniform(0.0, self.scale", "test_laws.py -k Uniform"),
    ("schemes/uniform_normal.py", "laws.Normal(self.mean, self.stddev", "laws.Normal(0.0, self.stddev", "test_laws.py -k RandomNormal"),
    ("schemes/data.py", "rows.std(axis=0)", "rows.var(axis=0)", f"{STRUCTURED} -k data"),
    ("schemes/identity.py", "/ math.sqrt(order)", "/ order", f"{STRUCTURED} -k zero"),
    ("schemes/identity.py", "(extent - 1) // 2", "extent // 2", f"{STRUCTURED} -k dirac"),
    ("schemes/orthogonal.py", "share = 1 / max(math.prod(shape[:-2]), 1)", "share = 1 / max(math.prod(shape[:-1]), 1)", "test_laws.py -k spread"),
    ("schemes/recurrent/gates.py", "[1, 1, 2]", "[1, 1, 1]", "test_laws.py -k spread"),
    (PYTORCH, "float(self.gain) * float(self.gain)", "float(self.gain)", "test_fans_gains.py -k scale_is"),
    (PYTORCH, "torch_gain(self.nonlinearity, self.a) ** 2", "torch_gain(self.nonlinearity, self.a)", "test_fans_gains.py -k scale_is"),
    ("laws/truncated.py", "(y - mean) ** 2", "y ** 2", "test_law_objects.py -k truncated"),
    ("laws/truncated.py", "peak + mean", "peak - mean", "test_law_objects.py -k truncated"),
    ("laws/truncated.py", "100.0 / (abs(peak)", "1.0 / (abs(peak)", "test_law_objects.py -k truncated"),
    ("laws/special.py", "abs(self.gain) / math.sqrt(self.n)", "abs(self.gain) / math.sqrt(self.n - 1)", "test_law_objects.py -k moments"),
    ("laws/special.py", "- 2 * first", "- first", "test_law_objects.py -k moments"),
    ("laws/scaled.py", "math.sqrt(1.0 / 12.0)", "math.sqrt(1.0 / 2.0)", "test_law_objects.py -k moments"),
    ("legacy/keras1/base.py", "if len(dims) in (4, 5):", "if len(dims) in (4,):", "test_legacy_keras1.py -k unknown_ordering"),
    ("models/weights/geometry.py", "self._count(self.outputs) * self._count(self.field)", "self._count(self.outputs)", "test_models_structure.py -k depthwise_is"),
    ("models/choice/presets.py", 'slot.role in _SCALES and type', 'slot.role in _SCALES or type', "test_models_presets.py -k scales_of"),
]  # fmt: skip


def survives(mutant: tuple[str, str, str, str]) -> bool:
    """Whether the tests pass with the mutant in place."""
    file, before, after, tests = mutant
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "keras_inits"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        source = (copy / file).read_text()
        if before not in source:
            raise SystemExit(f"{file}: {before!r} is not there any more")
        (copy / file).write_text(source.replace(before, after, 1))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()],
            cwd=TESTS,
            env=os.environ
            | {"PYTHONPATH": folder, "KERAS_BACKEND": "torch", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{file}: {after!r}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def main() -> int:
    """Run all, print a line each, and return the exit code."""
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(survives, MUTANTS))
    for (file, before, after, _), alive in zip(MUTANTS, outcomes, strict=True):
        print("SURVIVED" if alive else "killed  ", f"{file}: {before!r} -> {after!r}")
    print(f"{outcomes.count(False)} killed, {outcomes.count(True)} survived")
    return int(any(outcomes))


if __name__ == "__main__":
    sys.exit(main())
