# Warnings and sanitizers for our own targets.

set(ISOMETAL_SANITIZER_FLAGS "")
if(ISOMETAL_SANITIZE)
  string(REPLACE " " "," sanitizers "${ISOMETAL_SANITIZE}")
  set(ISOMETAL_SANITIZER_FLAGS -fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # Everywhere, nanobind included: an allocation made in one part is checked in another.
  add_compile_options(${ISOMETAL_SANITIZER_FLAGS})
  add_link_options(${ISOMETAL_SANITIZER_FLAGS})
endif()

function(isometal_compiler_options target)
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4)
  else()
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion)
  endif()
  # GCC 12 sees overlapping copies in "a" + std::string: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105651
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  set_target_properties(${target} PROPERTIES COMPILE_WARNING_AS_ERROR ${ISOMETAL_WERROR})
endfunction()
