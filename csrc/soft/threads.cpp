// csrc/soft/threads.cpp: how many OS threads a dispatch uses if it does not say.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "soft/executor.h"

namespace isometal::soft {

unsigned default_threads() {
  const char* setting = std::getenv("ISOMETAL_SOFT_THREADS");
  if (setting == nullptr) {
    // Asked once: the C library opens files of the kernel's for it, and every dispatch asks here.
    static const unsigned cores = std::clamp(std::thread::hardware_concurrency(), 1u, kMaxOsThreads);
    return cores;
  }
  const std::string_view text = setting;
  unsigned threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || end != text.data() + text.size() || threads == 0 || threads > kMaxOsThreads) {
    throw SoftError(soft_message("ISOMETAL_SOFT_THREADS is '", text, "'; it must be a number from 1 to ",
                                 kMaxOsThreads, "."));
  }
  return threads;
}

}  // namespace isometal::soft
