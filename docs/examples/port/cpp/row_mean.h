#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// The mean of each row of x (rows, columns), by the kernel row_mean in `source`. Throws std::runtime_error.
std::vector<float> row_mean(const std::string& source, const std::vector<float>& x, std::uint32_t columns);
