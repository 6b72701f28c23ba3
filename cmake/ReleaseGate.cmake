# The release switch: which backend a build makes the default, and the gate in front of `metal`.
#
# ISOMETAL_DEFAULT_BACKEND and ISOMETAL_EVIDENCE are read from -D or else from the environment, and the gate is run anew
# at every configure: no old verdict outlives its evidence.
#
# As a script, `cmake [-D...] -P cmake/ReleaseGate.cmake` decides and builds nothing.

if(CMAKE_SCRIPT_MODE_FILE)
  cmake_minimum_required(VERSION 3.24)
endif()

set(ISOMETAL_BACKENDS cpu mlx metal)
get_filename_component(ISOMETAL_SOURCE "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

# Value of -D<name>, else of the environment variable, else "".
function(isometal_setting name out)
  if(DEFINED ${name})
    set(${out} "${${name}}" PARENT_SCOPE)
  else()
    set(${out} "$ENV{${name}}" PARENT_SCOPE)
  endif()
endfunction()

# Fails unless isometal.parity.release_gate, run from this source tree, finds that the evidence qualifies.
function(isometal_require_qualification)
  isometal_setting(ISOMETAL_EVIDENCE evidence)
  if(evidence STREQUAL "")
    message(FATAL_ERROR "[build] ISOMETAL_DEFAULT_BACKEND=metal without evidence; "
                        "set ISOMETAL_EVIDENCE to the evidence.json of `isometal parity --json` from an Apple GPU.")
  endif()
  get_filename_component(evidence "${evidence}" ABSOLUTE BASE_DIR "${ISOMETAL_SOURCE}")
  if(NOT EXISTS "${evidence}" OR IS_DIRECTORY "${evidence}")
    message(FATAL_ERROR "[build] ISOMETAL_EVIDENCE names no file: ${evidence}; it must be an evidence.json.")
  endif()
  if(NOT Python_EXECUTABLE)
    find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  endif()
  execute_process(
    COMMAND "${Python_EXECUTABLE}" "${ISOMETAL_SOURCE}/cmake/run_release_gate.py" "${evidence}"
    RESULT_VARIABLE verdict
    OUTPUT_VARIABLE reasons
    ERROR_VARIABLE reasons)
  if(NOT verdict STREQUAL "0")
    message(FATAL_ERROR "[build] the gate refuses metal as the default backend (status ${verdict}, evidence "
                        "${evidence}); build without ISOMETAL_DEFAULT_BACKEND, or with evidence that qualifies.\n"
                        "${reasons}")
  endif()
  message(STATUS "Release gate: qualified by ${evidence}\n${reasons}")
  if(NOT CMAKE_SCRIPT_MODE_FILE)
    # Evidence and kernels that change after this verdict bring a new one.
    file(GLOB_RECURSE kernels CONFIGURE_DEPENDS "${ISOMETAL_SOURCE}/metal/*" "${ISOMETAL_SOURCE}/csrc/*")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${evidence}" ${kernels})
  endif()
endfunction()

# Sets `out` to the backend to compile in, "" for none.
function(isometal_resolve_default_backend out)
  isometal_setting(ISOMETAL_DEFAULT_BACKEND backend)
  if(NOT backend STREQUAL "" AND NOT backend IN_LIST ISOMETAL_BACKENDS)
    list(JOIN ISOMETAL_BACKENDS ", " names)
    message(FATAL_ERROR "[build] unknown ISOMETAL_DEFAULT_BACKEND '${backend}'; use one of ${names}, or leave it unset.")
  endif()
  if(backend STREQUAL "metal")
    isometal_require_qualification()
  endif()
  set(${out} "${backend}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  isometal_resolve_default_backend(backend)
  message(STATUS "Default backend: ${backend}")
endif()
