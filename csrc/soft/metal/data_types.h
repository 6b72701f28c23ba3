// csrc/soft/metal/data_types.h: MTL::DataType and MSL's names of types.
#pragma once

#include <Metal/MTLDataType.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace isometal::soft {

/// A scalar or vector that a function constant can have.
struct ConstantType {
  std::string name;   ///< in MSL
  std::size_t bytes;  ///< as setConstantValue reads it: a vector of three takes the place of four
};

/// Nothing for types that no function constant has: structs, matrices, textures.
std::optional<ConstantType> constant_type(MTL::DataType type);

/// Of a scalar or vector by its name in MSL; DataTypeStruct for other names.
MTL::DataType data_type(std::string_view name);

}  // namespace isometal::soft
