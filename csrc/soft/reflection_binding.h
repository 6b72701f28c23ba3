// csrc/soft/reflection_binding.h: reflections that Python made, in C++.
#pragma once

#include <nanobind/nanobind.h>

#include "soft/reflection.h"

namespace isometal::soft {

/// A KernelReflection of python/isometal/soft/reflection.py. Throws SoftError, or nanobind's errors, where an
/// attribute is missing or not what it should be.
KernelReflection to_reflection(nanobind::handle from);

}  // namespace isometal::soft
