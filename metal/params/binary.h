// metal/params/binary.h: what host and shader share of the binary kernels.
#pragma once

#include "params/elementwise.h"

// Function constants of the flat kernels.
#define BINARY_A_SCALAR ELEMENTWISE_CONSTANTS  // bool: a has one element for all of out
#define BINARY_B_SCALAR (ELEMENTWISE_CONSTANTS + 1)
