// Metal/MTLTypes.hpp - sizes and positions.
#pragma once

#include <cstdint>

#include "../Foundation/NSTypes.hpp"
#include "MTLDefines.hpp"

namespace MTL {

struct Origin {
  Origin() = default;
  Origin(NS::UInteger x_, NS::UInteger y_, NS::UInteger z_) : x(x_), y(y_), z(z_) {}

  static Origin Make(NS::UInteger x_, NS::UInteger y_, NS::UInteger z_) { return Origin(x_, y_, z_); }

  NS::UInteger x;
  NS::UInteger y;
  NS::UInteger z;
};

struct Size {
  Size() = default;
  Size(NS::UInteger width_, NS::UInteger height_, NS::UInteger depth_)
      : width(width_), height(height_), depth(depth_) {}

  static Size Make(NS::UInteger width_, NS::UInteger height_, NS::UInteger depth_) {
    return Size(width_, height_, depth_);
  }

  NS::UInteger width;
  NS::UInteger height;
  NS::UInteger depth;
};

struct ResourceID {
  std::uint64_t _impl;
};

}  // namespace MTL
