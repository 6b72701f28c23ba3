# Read after CMake's own rules for macOS, which it corrects for zig's linker: that makes no bundles (-bundle crashes it),
# and Python loads a dynamic library as well. The interpreter defines Python's symbols when it loads the module.
set(CMAKE_SHARED_MODULE_CREATE_CXX_FLAGS "-shared -undefined dynamic_lookup")
