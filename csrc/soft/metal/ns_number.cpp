// csrc/soft/metal/ns_number.cpp: numbers, kept as the widest type of their kind.
#include <Foundation/Foundation.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

#include "soft/error.h"
#include "soft/metal/foundation.h"

using namespace isometal::soft;

namespace NS {
namespace {

/// Integers wrap, as Cocoa's do; from a floating-point number beyond the type, its nearest value.
template <typename Target>
Target convert(double value) {
  if constexpr (std::is_floating_point_v<Target>) {
    return static_cast<Target>(value);
  } else {
    using Limits = std::numeric_limits<Target>;
    if (std::isnan(value)) return Target{};
    if (value <= static_cast<double>(Limits::lowest())) return Limits::lowest();
    if (value >= static_cast<double>(Limits::max())) return Limits::max();
    return static_cast<Target>(value);
  }
}

template <typename Target>
Target convert(long long value) {
  return static_cast<Target>(value);
}

template <typename Target>
Target convert(unsigned long long value) {
  return static_cast<Target>(value);
}

struct Compare {
  template <typename A, typename B>
  ComparisonResult operator()(A a, B b) const {
    if constexpr (std::is_integral_v<A> && std::is_integral_v<B>) {
      return std::cmp_less(a, b) ? OrderedAscending : std::cmp_less(b, a) ? OrderedDescending : OrderedSame;
    } else {
      const auto x = static_cast<double>(a);
      const auto y = static_cast<double>(b);
      return x < y ? OrderedAscending : y < x ? OrderedDescending : OrderedSame;
    }
  }
};

}  // namespace

Value* Value::value(const void* pPointer) {
  auto* const value = new Value;
  value->pointer_ = pPointer;
  return value->autorelease();
}

void* Value::pointerValue() const {
  return const_cast<void*>(pointer_);
}

bool Value::isEqualToValue(Value* pValue) const {
  return equals(pValue);
}

UInteger Value::hash_value() const {
  return std::hash<const void*>()(pointer_);
}

bool Value::equals(const Object* other) const {
  const auto* const value = dynamic_cast<const Value*>(other);
  return value != nullptr && dynamic_cast<const Number*>(other) == nullptr && value->pointer_ == pointer_;
}

String* Value::text() const {
  std::ostringstream out;
  out << pointer_;
  return make_string(out.str());
}

Number* Number::alloc() {
  return new Number;
}

#define ISOMETAL_NUMBER(type, kept, getter)                                   \
  Number* Number::number(type value) {                                        \
    return alloc()->init(value)->autorelease();                               \
  }                                                                           \
  Number* Number::init(type value) {                                          \
    value_ = static_cast<kept>(value);                                        \
    return this;                                                              \
  }                                                                           \
  type Number::getter() const {                                               \
    return std::visit([](auto kind) { return convert<type>(kind); }, value_); \
  }

ISOMETAL_NUMBER(char, long long, charValue)
ISOMETAL_NUMBER(unsigned char, unsigned long long, unsignedCharValue)
ISOMETAL_NUMBER(short, long long, shortValue)
ISOMETAL_NUMBER(unsigned short, unsigned long long, unsignedShortValue)
ISOMETAL_NUMBER(int, long long, intValue)
ISOMETAL_NUMBER(unsigned int, unsigned long long, unsignedIntValue)
ISOMETAL_NUMBER(long, long long, longValue)
ISOMETAL_NUMBER(unsigned long, unsigned long long, unsignedLongValue)
ISOMETAL_NUMBER(long long, long long, longLongValue)
ISOMETAL_NUMBER(unsigned long long, unsigned long long, unsignedLongLongValue)
ISOMETAL_NUMBER(float, double, floatValue)
ISOMETAL_NUMBER(double, double, doubleValue)

#undef ISOMETAL_NUMBER

Number* Number::number(bool value) {
  return alloc()->init(value)->autorelease();
}

Number* Number::init(bool value) {
  value_ = value ? 1LL : 0LL;
  return this;
}

bool Number::boolValue() const {
  return std::visit([](auto kind) { return kind != 0; }, value_);
}

Integer Number::integerValue() const {
  return longValue();
}

UInteger Number::unsignedIntegerValue() const {
  return unsignedLongValue();
}

String* Number::stringValue() const {
  std::ostringstream out;
  out.precision(std::numeric_limits<double>::digits10);
  std::visit([&](auto kind) { out << kind; }, value_);
  return make_string(out.str());
}

ComparisonResult Number::compare(const Number* pOtherNumber) const {
  return std::visit(Compare(), value_, pOtherNumber->value_);
}

bool Number::isEqualToNumber(const Number* pNumber) const {
  return pNumber != nullptr && compare(pNumber) == OrderedSame;
}

UInteger Number::hash_value() const {
  return std::hash<double>()(doubleValue());
}

bool Number::equals(const Object* other) const {
  return isEqualToNumber(dynamic_cast<const Number*>(other));
}

String* Number::text() const {
  return stringValue();
}

}  // namespace NS
