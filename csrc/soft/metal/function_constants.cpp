// csrc/soft/metal/function_constants.cpp: MTL::FunctionConstantValues.
#include "soft/metal/function_constants.h"

#include <cstring>
#include <optional>

#include "soft/error.h"
#include "soft/metal/data_types.h"
#include "soft/validation.h"

namespace isometal::soft {
namespace {

/// The value that is set for a constant; by index before by name. Null where none is.
const ConstantValue* find_value(const FunctionConstant& constant, const FunctionConstantValuesImpl& values) {
  const auto indexed = values.by_index.find(constant.index);
  if (indexed != values.by_index.end()) return &indexed->second;
  const auto named = values.by_name.find(constant.name);
  return named == values.by_name.end() ? nullptr : &named->second;
}

/// Nothing, after a report, where no function constant has the type.
std::optional<ConstantType> checked_type(const char* call, const void* value, MTL::DataType type) {
  if (value == nullptr) {
    report_failure(soft_message(call, ": the value is null; it must not be."));
    return std::nullopt;
  }
  auto known = constant_type(type);
  if (!known) {
    report_failure(soft_message(call, ": MTL::DataType ", static_cast<NS::UInteger>(type),
                                " is no type of a function constant; scalars and vectors are."));
  }
  return known;
}

ConstantValue read_value(const ConstantType& type, const void* value) {
  ConstantValue result{type.name, std::vector<std::byte>(type.bytes)};
  std::memcpy(result.bytes.data(), value, type.bytes);
  return result;
}

}  // namespace

std::map<std::uint32_t, ConstantValue> chosen_constants(const std::string& function,
                                                        const std::vector<FunctionConstant>& declared,
                                                        const MTL::FunctionConstantValues* values) {
  static const FunctionConstantValuesImpl* const none = new FunctionConstantValuesImpl;
  const auto& set = values == nullptr ? *none : impl_of<FunctionConstantValuesImpl>(values);
  std::map<std::uint32_t, ConstantValue> chosen;
  for (const FunctionConstant& constant : declared) {
    const ConstantValue* const value = find_value(constant, set);
    if (value == nullptr) {
      if (!constant.required) continue;
      throw CompileError(
          CompileFailure::function_not_found,
          soft_message("function '", function, "': its constant '", constant.name, "' (", constant.type_name,
                       ", index ", constant.index, ") has no value; set one with setConstantValue."));
    }
    if (value->type_name != constant.type_name) {
      throw CompileError(CompileFailure::function_not_found,
                         soft_message("function '", function, "': its constant '", constant.name, "' (index ",
                                      constant.index, ") is set as ", value->type_name,
                                      "; it is declared as ", constant.type_name, "."));
    }
    chosen[constant.index] = *value;
  }
  return chosen;
}

}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

FunctionConstantValues* FunctionConstantValues::alloc() {
  return new FunctionConstantValuesImpl;
}

FunctionConstantValues* FunctionConstantValues::init() {
  return this;
}

void FunctionConstantValues::reset() {
  impl_of<FunctionConstantValuesImpl>(this).by_index.clear();
  impl_of<FunctionConstantValuesImpl>(this).by_name.clear();
}

void FunctionConstantValues::setConstantValue(const void* value, MTL::DataType type, NS::UInteger index) {
  const auto known = checked_type("setConstantValue", value, type);
  if (known) impl_of<FunctionConstantValuesImpl>(this).by_index[index] = read_value(*known, value);
}

void FunctionConstantValues::setConstantValue(const void* value, MTL::DataType type, const NS::String* name) {
  const auto known = checked_type("setConstantValue", value, type);
  if (known) impl_of<FunctionConstantValuesImpl>(this).by_name[text_of(name)] = read_value(*known, value);
}

void FunctionConstantValues::setConstantValues(const void* values, MTL::DataType type, NS::Range range) {
  const auto known = checked_type("setConstantValues", values, type);
  if (!known) return;
  const auto* bytes = static_cast<const std::byte*>(values);
  for (NS::UInteger i = 0; i < range.length; ++i) {
    impl_of<FunctionConstantValuesImpl>(this).by_index[range.location + i] =
        read_value(*known, bytes + i * known->bytes);
  }
}

}  // namespace MTL
