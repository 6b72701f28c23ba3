# The target isometal_metal: where NS:: and MTL:: come from. On Apple platforms that is Apple's metal-cpp, whose headers
# MLX ships in the package mlx-metal; elsewhere the software Metal device. Intel Macs have neither: no Apple GPU.

if(NOT APPLE)
  add_subdirectory(csrc/soft)
  add_library(isometal_metal ALIAS isometal_soft)
  return()
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  return()
endif()

set(ISOMETAL_METAL_CPP "" CACHE PATH "Apple's metal-cpp, the folder above Metal/Metal.hpp; by default that of mlx-metal")
set(metal_cpp_folders "${ISOMETAL_METAL_CPP}")
if(NOT ISOMETAL_METAL_CPP)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "import mlx; print(*mlx.__path__, sep=';')"
    OUTPUT_VARIABLE metal_cpp_folders
    OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET)
  list(TRANSFORM metal_cpp_folders APPEND "/include/metal_cpp")
endif()
# Not cached: the environment of an isolated build is gone after it.
find_path(metal_cpp Metal/Metal.hpp PATHS ${metal_cpp_folders} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH NO_CACHE)
if(NOT metal_cpp)
  message(FATAL_ERROR "[build] Apple's metal-cpp, Metal/Metal.hpp, is not in '${metal_cpp_folders}'; "
                      "pip install mlx-metal, or give -DISOMETAL_METAL_CPP=FOLDER.")
endif()

add_library(isometal_metal STATIC csrc/dispatcher/metal_cpp.cpp)
target_include_directories(isometal_metal SYSTEM PUBLIC "${metal_cpp}")
target_link_libraries(isometal_metal PUBLIC "-framework Foundation" "-framework Metal" objc)
set_target_properties(isometal_metal PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
isometal_compiler_options(isometal_metal)
