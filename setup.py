"""The C extension; everything else about the package is in setup.cfg."""

from pathlib import Path

from setuptools import Extension, setup

AUDIO = Extension(
    "callcore.native._audio",
    sources=sorted(map(str, Path("callcore/native").glob("*.c"))),
    depends=sorted(map(str, Path("callcore/native").glob("*.h"))),
    extra_compile_args=["-std=gnu11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
    libraries=["m", "dl", "pthread"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
)

setup(ext_modules=[AUDIO], options={"bdist_wheel": {"py_limited_api": "cp311"}})
