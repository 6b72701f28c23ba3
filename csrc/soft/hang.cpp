// csrc/soft/hang.cpp: the texts of a hang and of a kernel that breaks the ABI.
#include "soft/hang.h"

#include <sstream>

#include "soft/error.h"

namespace isometal::soft {

void HangReport::raise() const {
  const std::uint32_t* position = threadgroup_.position;
  std::ostringstream places;
  const char* separator = "";
  for (const auto& [site, threads] : waiting_) {
    places << separator << threads << (threads == 1 ? " thread waits" : " threads wait") << " at site "
           << site << " (" << kernel_.site_name(site) << ')';
    separator = ", ";
  }
  if (finished_ != 0) places << separator << finished_ << (finished_ == 1 ? " has" : " have") << " finished";
  throw HangError(
      soft_message("kernel '", kernel_.name(), "' hangs in threadgroup (", position[0], ", ", position[1],
                   ", ", position[2], "): ", places.str(),
                   "; all threads of a threadgroup that have not finished must reach the same barrier."));
}

void fail_on_site(const LoadedKernel& kernel, std::uint16_t site) {
  throw SoftError(soft_message("kernel '", kernel.name(), "' went on to site ", site,
                               "; its regions may go to sites 1 to ", kernel.code().site_count - 1, "."));
}

}  // namespace isometal::soft
