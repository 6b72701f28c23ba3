// isometal: msl/logging.h
// <metal_logging> (Metal 3.2): os_log takes messages and does nothing with them.
#pragma once

#if __METAL_VERSION__ >= 320

namespace metal {

enum os_log_type {
  os_log_type_default,
  os_log_type_info,
  os_log_type_debug,
  os_log_type_error,
  os_log_type_fault
};

#define MSL_LOG(name, qualifiers) \
  template <class... Args>        \
  MSL_FUNC void name(const __constant char* format, Args... args) const qualifiers {}
#define MSL_LOG_FUNCTIONS(qualifiers)                                                        \
  MSL_LOG(log, qualifiers)                                                                   \
  MSL_LOG(log_debug, qualifiers)                                                             \
  MSL_LOG(log_error, qualifiers)                                                             \
  MSL_LOG(log_fault, qualifiers)                                                             \
  MSL_LOG(log_info, qualifiers)                                                              \
  template <class... Args>                                                                   \
  MSL_FUNC void log_with_type(os_log_type type, const __constant char* format, Args... args) \
      const qualifiers {}

struct os_log {
  constexpr os_log() {}
  constexpr os_log() __constant {}
  constexpr os_log(const __constant char* subsystem, const __constant char* category) {}
  constexpr os_log(const __constant char* subsystem, const __constant char* category) __constant {}
  MSL_LOG_FUNCTIONS()
  MSL_LOG_FUNCTIONS(__constant)
};
#undef MSL_LOG
#undef MSL_LOG_FUNCTIONS

constexpr __constant os_log os_log_default;

}  // namespace metal

#endif
