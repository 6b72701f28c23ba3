// isometal: msl/prelude.h
// What Metal Shading Language knows without an #include, and its standard library when MSL_STDLIB is defined.
// The order matters: each header may use those before it.
#pragma once

#include <msl/types.h>

#include <msl/support.h>

#include <msl/packed_vector.h>

#ifdef MSL_STDLIB
#include <msl/type_traits.h>

#include <msl/limits.h>

#include <msl/math.h>

#include <msl/integer.h>

#include <msl/relational.h>

#include <msl/geometric.h>

#include <msl/compute.h>

#include <msl/atomic.h>

#include <msl/simdgroup.h>

#include <msl/simdgroup_matrix.h>

#include <msl/matrix.h>

#include <msl/array.h>

#include <msl/uniform.h>

#include <msl/pack.h>

#include <msl/builtins.h>

#include <msl/logging.h>

#include <msl/simd_types.h>
#endif
