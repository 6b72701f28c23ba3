// isometal: msl/prelude.h
// What Metal Shading Language knows without an #include, and its standard library when MSL_STDLIB is defined.
// The order matters: support.h builds on types.h, and everything else on both.
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
#endif
