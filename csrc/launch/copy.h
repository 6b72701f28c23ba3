// csrc/launch/copy.h: plans of copies between layouts.
#pragma once

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

/// out = x element for element: operands 0 and 1. Both layouts have one shape; elements have `itemsize`
/// bytes. No two elements of out may share memory. A test may force "tiled",
/// and what launch/elementwise.h says.
Plan copy(std::int64_t itemsize, const Layout& out, const Layout& x, const Choice& choice);

}  // namespace isometal::launch
