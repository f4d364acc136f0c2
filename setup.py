"""The C kernels, left out where no compiler is at hand, and archives that are the same byte for byte
whenever and wherever one tree is packed; all else is in pyproject.toml."""

import gzip
import os
import sys
import sysconfig
import tarfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.sdist import sdist

# What the wheel's files are dated, unless the builder says; no zip file holds an earlier time.
EPOCH = os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")
# Multiply and add must round one by one, or the numbers would depend on the processor; without
# errno a square root is one instruction. Debug symbols double the size, and name the folder.
FLAGS = (
    ["/O2", "/fp:precise"]
    if os.name == "nt"
    else ["-O3", "-g0", "-fno-fast-math", "-ffp-contract=off", "-fno-math-errno"]
)
SYMBOLS = ["-s"] if sys.platform == "linux" else []  # without the names of static functions
# One wheel serves every later Python, but for those without a global lock.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")


def nameless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the times, owners and masks of the machine that packs it."""
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = int(EPOCH), 0, 0, "", ""
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


class Archive(sdist):
    """setuptools writes the time of day into its .tar.gz."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, **others):
        if format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, **others)
        path = Path(f"{base_name}.tar.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            path.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=int(EPOCH)) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            tar.add(base_dir, filter=nameless)
        return str(path)


setup(
    cmdclass={"sdist": Archive},
    ext_modules=[
        Extension(
            "keras_inits.streams.default._kernels",
            ["keras_inits/streams/default/_kernels.c"],
            extra_compile_args=FLAGS,
            extra_link_args=SYMBOLS,
            py_limited_api=STABLE,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
)
