// tests/cpp/dispatcher_sample.h: the interface of a small compute dispatcher that is written against
// metal-cpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

/// out[i] = (a[i] + b[i]) * factor + offset, by two kernels, `add` and `scale`, of a library that is made of
/// `source`. Throws std::runtime_error with the text of the first error.
std::vector<float> dispatch_sample(const std::string& source, const std::vector<float>& a,
                                   const std::vector<float>& b, int factor, float offset);
