# Compiles with ziglang's clang, for machines without a C++ compiler: a pip package is all it needs.
#
# ISOMETAL_ZIG_PYTHON, as -D or in the environment, is the interpreter that can `import ziglang`; left out, python3 of
# PATH. The environment is how CMake's own compiler tests, which run this file again, get to know it.
# ISOMETAL_ZIG_TARGET, given likewise, compiles for another machine: aarch64-macos.14.0 (see cmake/macos_wheel.py).

if(NOT ISOMETAL_ZIG_PYTHON)
  if(DEFINED ENV{ISOMETAL_ZIG_PYTHON})
    set(ISOMETAL_ZIG_PYTHON "$ENV{ISOMETAL_ZIG_PYTHON}")
  else()
    find_program(ISOMETAL_ZIG_PYTHON NAMES python3 python REQUIRED)
  endif()
endif()
set(ENV{ISOMETAL_ZIG_PYTHON} "${ISOMETAL_ZIG_PYTHON}")
if(NOT ISOMETAL_ZIG_TARGET AND DEFINED ENV{ISOMETAL_ZIG_TARGET})
  set(ISOMETAL_ZIG_TARGET "$ENV{ISOMETAL_ZIG_TARGET}")
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ISOMETAL_ZIG_PYTHON ISOMETAL_ZIG_TARGET)
# On a Mac too, which without Apple's compiler has no SDK either.
if(NOT ISOMETAL_ZIG_TARGET AND CMAKE_HOST_APPLE AND CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL "arm64")
  set(ISOMETAL_ZIG_TARGET "aarch64-macos.14.0")
endif()

if(ISOMETAL_ZIG_TARGET MATCHES "^([^-]+)-macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  set(CMAKE_SYSTEM_PROCESSOR "${CMAKE_MATCH_1}")
  # There is no SDK to look into: cmake/apple_stubs has what the module includes and links, and no more.
  set(CMAKE_OSX_SYSROOT "")
  set(CMAKE_OSX_DEPLOYMENT_TARGET "")
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
  cmake_path(SET apple_stubs NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../apple_stubs")
  set(CMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES "${apple_stubs}/include")
  set(CMAKE_MODULE_LINKER_FLAGS_INIT "-F${apple_stubs}/lib -L${apple_stubs}/lib")
  set(CMAKE_USER_MAKE_RULES_OVERRIDE_CXX "${CMAKE_CURRENT_LIST_DIR}/zig_macos_rules.cmake")
endif()

# Without a target zig tunes for the very CPU it runs on, and the wheel would crash on the next older one.
if(ISOMETAL_ZIG_TARGET)
  set(zig_target "-target ${ISOMETAL_ZIG_TARGET}")
elseif(CMAKE_HOST_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_HOST_SYSTEM_PROCESSOR MATCHES "^(x86_64|aarch64)$")
  file(GLOB musl_loader "/lib/ld-musl-*")
  if(musl_loader)
    set(zig_target "-target ${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-musl")
  else()
    # The oldest glibc that today's wheels support (manylinux_2_28).
    set(zig_target "-target ${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu.2.28")
  endif()
else()
  set(zig_target "-mcpu=baseline")
endif()

# CMake wants one program per tool, zig is one program for all. Written anew each time: the interpreter of an isolated
# build lives only as long as the build.
set(zig_tools "${CMAKE_BINARY_DIR}/zig-tools")
foreach(tool cc c++ ar ranlib)
  set(arguments "")
  if(tool MATCHES "^c")
    set(arguments " ${zig_target}")
  endif()
  file(WRITE "${zig_tools}/${tool}" "#!/bin/sh\nexec '${ISOMETAL_ZIG_PYTHON}' -m ziglang ${tool}${arguments} \"$@\"\n")
  file(CHMOD "${zig_tools}/${tool}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endforeach()

if(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
  # macOS ends a process that loads a library whose bytes are not those that its linker signed.
  foreach(tool strip install_name_tool)
    file(WRITE "${zig_tools}/${tool}" "#!/bin/sh\nexit 0\n")
    file(CHMOD "${zig_tools}/${tool}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endforeach()
  set(CMAKE_STRIP "${zig_tools}/strip" CACHE FILEPATH "" FORCE)
  set(CMAKE_INSTALL_NAME_TOOL "${zig_tools}/install_name_tool" CACHE FILEPATH "" FORCE)
endif()

set(CMAKE_C_COMPILER "${zig_tools}/cc")
set(CMAKE_CXX_COMPILER "${zig_tools}/c++")
set(CMAKE_AR "${zig_tools}/ar" CACHE FILEPATH "" FORCE)
set(CMAKE_RANLIB "${zig_tools}/ranlib" CACHE FILEPATH "" FORCE)
