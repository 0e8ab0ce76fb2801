"""The C extension; everything else about the package is in setup.cfg."""

from glob import glob

from setuptools import Extension, setup

AUDIO = Extension(
    "callcore.native._audio",
    sources=sorted(glob("callcore/native/*.c")),
    depends=sorted(glob("callcore/native/*.h")),
    extra_compile_args=["-std=gnu11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
    libraries=["m", "dl", "pthread"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
)

setup(ext_modules=[AUDIO], options={"bdist_wheel": {"py_limited_api": "cp311"}})
