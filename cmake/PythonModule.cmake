# The extension module isometal._core.

find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module ${SKBUILD_SABI_COMPONENT})

# Found through the interpreter, so that a plain `cmake` call needs no hint.
if(NOT nanobind_DIR AND NOT nanobind_ROOT)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
    OUTPUT_VARIABLE nanobind_ROOT
    OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
find_package(nanobind CONFIG REQUIRED)

# Decides, and refuses, before anything is compiled.
include("${CMAKE_CURRENT_LIST_DIR}/ReleaseGate.cmake")
isometal_resolve_default_backend(ISOMETAL_DEFAULT_BACKEND_RESOLVED)

nanobind_add_module(
  _core
  STABLE_ABI
  NB_STATIC
  NB_SUPPRESS_WARNINGS
  csrc/arguments.cpp
  csrc/bindings.cpp
  csrc/exchange_in.cpp
  csrc/exchange_out.cpp
  "${CMAKE_CURRENT_BINARY_DIR}/build_info.cpp")
target_link_libraries(_core PRIVATE isometal_core)
if(TARGET isometal_dispatcher)
  target_sources(
    _core
    PRIVATE csrc/metal_bindings/attention.cpp
            csrc/metal_bindings/copy.cpp
            csrc/metal_bindings/elementwise.cpp
            csrc/metal_bindings/matmul.cpp
            csrc/metal_bindings/metal.cpp
            csrc/metal_bindings/norm.cpp
            csrc/metal_bindings/reduce.cpp
            csrc/metal_bindings/softmax.cpp)
  target_compile_definitions(_core PRIVATE ISOMETAL_METAL=1)
  target_link_libraries(_core PRIVATE isometal_dispatcher)
endif()
if(TARGET isometal_soft)
  target_sources(
    _core
    PRIVATE csrc/metal_session.cpp
            csrc/soft/bindings.cpp
            csrc/soft/reflection_binding.cpp
            csrc/soft/service_binding.cpp
            csrc/soft/session_binding.cpp)
endif()
isometal_compiler_options(_core)
if(APPLE AND ISOMETAL_ZIG_PYTHON)
  # zig's linker reads no lists of symbols, and with -x (0.17) it writes a broken symbol table.
  get_target_property(link_options _core LINK_OPTIONS)
  list(FILTER link_options EXCLUDE REGEX "-Wl,(@|-x)")
  set_target_properties(_core PROPERTIES LINK_OPTIONS "${link_options};-Wl,-dead_strip;-Wl,-S")
endif()

# nanobind chooses: it takes the stable ABI where interpreter and headers have one.
if(TARGET nanobind-static-abi3)
  set(ISOMETAL_ABI "stable")
  set(nanobind_library nanobind-static-abi3)
else()
  set(ISOMETAL_ABI "cp${Python_VERSION_MAJOR}${Python_VERSION_MINOR}")
  set(nanobind_library nanobind-static)
endif()
# nanobind's headers print to stderr and rely on Python.h for it, which in the stable ABI no longer brings <stdio.h>.
# libstdc++ happens to; libc++ does not.
if(NOT MSVC)
  target_compile_options(${nanobind_library} PUBLIC "SHELL:-include cstdio")
endif()
configure_file(csrc/build_info.cpp.in build_info.cpp @ONLY)
# The gate compares what evidence was made with.
file(GLOB_RECURSE native_sources CONFIGURE_DEPENDS csrc/*.cpp csrc/*.h)
add_custom_command(
  OUTPUT native_sources.h
  COMMAND "${Python_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/python/isometal/native_sources.py" "${PROJECT_SOURCE_DIR}/csrc"
          "${CMAKE_CURRENT_BINARY_DIR}/native_sources.h"
  DEPENDS python/isometal/native_sources.py ${native_sources}
  VERBATIM)
target_sources(_core PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/native_sources.h")
target_include_directories(_core PRIVATE "${CMAKE_CURRENT_BINARY_DIR}")
set_source_files_properties("${CMAKE_CURRENT_BINARY_DIR}/build_info.cpp"
                            PROPERTIES COMPILE_DEFINITIONS "ISOMETAL_BUILD_TYPE=\"$<CONFIG>\"")

install(TARGETS _core LIBRARY DESTINATION isometal)

include("${CMAKE_CURRENT_LIST_DIR}/CompiledKernels.cmake")
