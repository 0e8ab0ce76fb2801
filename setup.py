"""The C extension; everything else about the package is in setup.cfg."""

from pathlib import Path

from setuptools import Extension, setup

#: The parts of the audio path; native/pjsip/ is built against pjproject by scripts/build-pjsua2.
PARTS = [
    Path("callcore/native", part) for part in ("common", "receive", "send", "detect", "python")
]

AUDIO = Extension(
    "callcore.native._audio",
    sources=sorted(str(file) for part in PARTS for file in part.glob("*.c")),
    depends=sorted(str(file) for part in PARTS for file in part.glob("*.h")),
    include_dirs=[str(part) for part in PARTS],
    extra_compile_args=["-std=gnu11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
    libraries=["m", "dl", "pthread"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
)

setup(ext_modules=[AUDIO], options={"bdist_wheel": {"py_limited_api": "cp311"}})
