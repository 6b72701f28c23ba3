// csrc/soft/metal/settings.cpp: the process's settings of the device.
#include "soft/metal/settings.h"

#include <charconv>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "soft/error.h"

namespace isometal::soft {
namespace {

std::mutex mutex;
std::optional<DeviceSettings> current;

}  // namespace

DeviceSettings settings_from_environment() {
  DeviceSettings settings;
  if (const char* mode = std::getenv("ISOMETAL_SOFT_MODE")) {
    const std::string_view text = mode;
    if (text != "fast" && text != "shuffled") {
      throw SoftError(soft_message("ISOMETAL_SOFT_MODE is '", text, "'; it must be 'fast' or 'shuffled'."));
    }
    settings.mode = text == "fast" ? Mode::kFast : Mode::kShuffled;
  }
  if (const char* seed = std::getenv("ISOMETAL_SOFT_SEED")) {
    const std::string_view text = seed;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), settings.seed);
    if (error != std::errc() || end != text.data() + text.size()) {
      throw SoftError(
          soft_message("ISOMETAL_SOFT_SEED is '", text, "'; it must be a number from 0 to 2^64 - 1."));
    }
  }
  return settings;
}

DeviceSettings device_settings() {
  const std::lock_guard lock(mutex);
  if (!current) current = settings_from_environment();
  return *current;
}

void set_device_settings(DeviceSettings settings) {
  const std::lock_guard lock(mutex);
  current = std::move(settings);
}

}  // namespace isometal::soft
