// metal/common/unroll.h: for loops over arrays that have to be registers, which they are only where every
// index is a number.
#pragma once

#define UNROLL _Pragma("clang loop unroll(full)")
