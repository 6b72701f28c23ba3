# Kernels compiled at build time, which go into the wheel beside their source (see python/isometal/kernels.py).
#
# On Apple platforms Xcode's metal compiles them where it is installed. Elsewhere our front end makes AIR for the
# software device where ISOMETAL_AIR, as -D or in the environment, is on: that takes 40 s of processor time, and ziglang
# and llvmlite in the build environment, so it is for wheels that others install. Without either, source is compiled
# when kernels are first used, and kept in the user's cache.

function(isometal_compile_kernels)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/metal/*.metal")
  file(GLOB_RECURSE inputs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/metal/*" "${PROJECT_SOURCE_DIR}/python/isometal/soft/msl/*.py"
       "${PROJECT_SOURCE_DIR}/python/isometal/soft/msl/include/*")
  set(script "${PROJECT_SOURCE_DIR}/cmake/compile_kernels.py")
  set(folder "${PROJECT_BINARY_DIR}/compiled")
  foreach(source IN LISTS sources)
    get_filename_component(family "${source}" NAME_WE)
    set(stamp "${PROJECT_BINARY_DIR}/compiled-${family}.stamp")
    add_custom_command(
      OUTPUT "${stamp}"
      COMMAND "${Python_EXECUTABLE}" "${script}" ${family} --out "${folder}" --stamp "${stamp}" ${ARGN}
      DEPENDS ${inputs} "${script}" "${PROJECT_SOURCE_DIR}/python/isometal/kernels.py"
      COMMENT "Compiling the kernels of ${family}"
      VERBATIM)
    list(APPEND stamps "${stamp}")
  endforeach()
  add_custom_target(isometal_kernels ALL DEPENDS ${stamps})
  install(DIRECTORY "${folder}/" DESTINATION isometal/compiled FILES_MATCHING PATTERN "*.metallib")
endfunction()

# An editable install takes its kernels from the checkout, where they change.
if(SKBUILD_STATE STREQUAL "editable")
  return()
endif()

if(APPLE)
  find_program(ISOMETAL_XCRUN xcrun NO_CMAKE_FIND_ROOT_PATH)
  if(ISOMETAL_XCRUN)
    execute_process(COMMAND "${ISOMETAL_XCRUN}" -sdk macosx -f metal RESULT_VARIABLE no_metal OUTPUT_QUIET ERROR_QUIET)
    if(no_metal EQUAL 0)
      isometal_compile_kernels(--xcrun "${ISOMETAL_XCRUN}")
      return()
    endif()
  endif()
  message(STATUS "Xcode's metal is not there: kernels are compiled when they are first used")
  return()
endif()

isometal_setting(ISOMETAL_AIR air)
if(air)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "import llvmlite.binding, ziglang"
    RESULT_VARIABLE no_compilers
    ERROR_VARIABLE why
    OUTPUT_QUIET)
  if(NOT no_compilers EQUAL 0)
    message(FATAL_ERROR "[build] ISOMETAL_AIR is on, but ${Python_EXECUTABLE} lacks what compiles kernels; "
                        "pip install 'isometal[soft]' there, or build without ISOMETAL_AIR.\n${why}")
  endif()
  isometal_compile_kernels()
endif()
