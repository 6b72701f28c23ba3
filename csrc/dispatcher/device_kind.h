// csrc/dispatcher/device_kind.h: what kind of device a Metal device is, by its name.
#pragma once

#include <string_view>

namespace isometal {

/// "apple-paravirtual" for the GPU of a macOS virtual machine, as on hosted CI runners, which names itself
/// "Apple Paravirtual device"; else "apple-gpu". The gate takes evidence of the latter only.
inline std::string_view apple_device_kind(std::string_view name) {
  const bool paravirtual = name.find("Paravirtual") != name.npos || name.find("paravirtual") != name.npos;
  return paravirtual ? "apple-paravirtual" : "apple-gpu";
}

}  // namespace isometal
