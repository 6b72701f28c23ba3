// metal/params/elementwise.h: function constants of all elementwise kernels. A family's own begin at
// ELEMENTWISE_CONSTANTS.
#pragma once

#include "params/flat.h"
#include "params/strided.h"

#define ELEMENTWISE_ONE 0    // bool: a thread has one element, not elements_per_thread
#define ELEMENTWISE_WIDE 1   // bool, strided: offsets from an operand's first element need more than 32 bits
#define ELEMENTWISE_AXES 2   // uint, strided: the axes of StridedParams
#define ELEMENTWISE_INNER 3  // uint, strided, one for each operand: how it lies along axis 0, an INNER_...
#define ELEMENTWISE_CONSTANTS 6

#define INNER_ONE 0   // one element for the whole axis: stride 0
#define INNER_UNIT 1  // neighbours in memory: stride 1
#define INNER_ANY 2   // whatever `strides` says
