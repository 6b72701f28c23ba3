"""Metal Shading Language front end: `.metal` source to AIR, with clang from the package ziglang.

preprocess          clang -E with our headers' macros
rewriter.py         passes over tokens: Metal becomes C++ for OpenCL
compile             clang, with our own Metal headers (include/msl)
repair.py           where clang's answer shows that types matter, rewrite again
described.py        what clang found out about kernels' parameters
air_module.py       per kernel: optimise, then name, bind and describe as Apple's compiler does
"""

from isometal.soft.msl.air_library import AirLibrary
from isometal.soft.msl.compiler import compile_source

__all__ = ["AirLibrary", "compile_source"]
