// csrc/soft/metal/settings.cpp: the process's settings of the device.
#include "soft/metal/settings.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "soft/error.h"

namespace isometal::soft {
namespace {

std::mutex mutex;
std::optional<DeviceSettings> current;

/// The variable is one of two words; not set, it is as good as the first.
bool is_first_of(const char* variable, std::string_view first, std::string_view second) {
  const char* const set = std::getenv(variable);
  const std::string_view text = set == nullptr ? first : set;
  if (text != first && text != second) {
    throw SoftError(soft_message(variable, " is '", text, "'; it must be '", first, "' or '", second, "'."));
  }
  return text == first;
}

/// Leaves `value` alone where the variable is not set.
void read_number(const char* variable, std::uint64_t least, std::uint64_t most, std::uint64_t& value) {
  const char* const set = std::getenv(variable);
  if (set == nullptr) return;
  const std::string_view text = set;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw SoftError(
        soft_message(variable, " is '", text, "'; it must be a number from ", least, " to ", most, "."));
  }
}

}  // namespace

DeviceSettings settings_from_environment() {
  DeviceSettings settings;
  settings.mode = is_first_of("ISOMETAL_SOFT_MODE", "fast", "shuffled") ? Mode::kFast : Mode::kShuffled;
  settings.bfloat = is_first_of("ISOMETAL_SOFT_BFLOAT", "native", "none");
  read_number("ISOMETAL_SOFT_SEED", 0, std::numeric_limits<std::uint64_t>::max(), settings.seed);
  read_number("ISOMETAL_SOFT_MAX_THREADS", 1, kMaxThreads, settings.max_threads);
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
