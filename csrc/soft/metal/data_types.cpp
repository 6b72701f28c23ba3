// csrc/soft/metal/data_types.cpp: scalars come in families of one to four components with consecutive
// numbers.
#include "soft/metal/data_types.h"

namespace isometal::soft {
namespace {

struct Family {
  MTL::DataType scalar;
  std::string_view name;
  std::size_t bytes;
};

constexpr Family kFamilies[] = {
    {MTL::DataTypeBool, "bool", 1},   {MTL::DataTypeChar, "char", 1},     {MTL::DataTypeUChar, "uchar", 1},
    {MTL::DataTypeShort, "short", 2}, {MTL::DataTypeUShort, "ushort", 2}, {MTL::DataTypeInt, "int", 4},
    {MTL::DataTypeUInt, "uint", 4},   {MTL::DataTypeLong, "long", 8},     {MTL::DataTypeULong, "ulong", 8},
    {MTL::DataTypeHalf, "half", 2},   {MTL::DataTypeFloat, "float", 4},   {MTL::DataTypeBFloat, "bfloat", 2},
};

}  // namespace

std::optional<ConstantType> constant_type(MTL::DataType type) {
  for (const Family& family : kFamilies) {
    if (type < family.scalar || type > family.scalar + 3) continue;
    const std::size_t width = type - family.scalar + 1;
    std::string name(family.name);
    if (width > 1) name += std::to_string(width);
    return ConstantType{name, family.bytes * (width == 3 ? 4 : width)};
  }
  return std::nullopt;
}

MTL::DataType data_type(std::string_view name) {
  for (const Family& family : kFamilies) {
    if (name.substr(0, family.name.size()) != family.name) continue;
    const std::string_view width = name.substr(family.name.size());
    if (width.empty()) return family.scalar;
    if (width.size() == 1 && width[0] >= '2' && width[0] <= '4') {
      return static_cast<MTL::DataType>(family.scalar + static_cast<NS::UInteger>(width[0] - '1'));
    }
  }
  return MTL::DataTypeStruct;
}

}  // namespace isometal::soft
