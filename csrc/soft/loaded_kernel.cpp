// csrc/soft/loaded_kernel.cpp: what every kernel must promise before its code is run.
#include "soft/loaded_kernel.h"

#include <array>
#include <utility>

#include "soft/error.h"

namespace isometal::soft {
namespace {

constexpr std::array<std::string_view, 4> kKindNames{"start", "join", "simdgroup", "threadgroup_barrier"};

// Keeps sums of such sizes from overflowing; no real kernel comes near.
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;

void check_site(const std::string& kernel, const abi::Kernel& code, std::uint32_t index) {
  const abi::Site& site = code.sites[index];
  const auto fail = [&](const auto&... what) {
    throw ValidationError(soft_message("kernel '", kernel, "' has a bad site ", index, ": ", what...));
  };
  const auto kind = static_cast<std::size_t>(site.kind);
  if (site.run == nullptr) fail("it has no code; every site has a region.");
  if (kind >= kKindNames.size()) fail("its kind is ", kind, "; kinds are 0 to ", kKindNames.size() - 1, ".");
  if ((index == 0) != (site.kind == abi::SiteKind::start))
    fail("its kind is ", kKindNames[kind], "; site 0 and no other is the start.");
  if (index == 0 && site.operation != nullptr)
    fail("it has an operation; nothing is done together at the start.");
  const bool goes_on = site.successor != abi::kFinished && site.successor != abi::kSeveral;
  if (goes_on && (site.successor == 0 || site.successor >= code.site_count))
    fail("its successor is ", site.successor, "; sites are 1 to ", code.site_count - 1, ".");
}

}  // namespace

LoadedKernel::LoadedKernel(const abi::Kernel* code, std::string name, std::vector<std::string> site_names)
    : code_(code), name_(std::move(name)), site_names_(std::move(site_names)) {
  const auto fail = [&](const auto&... what) {
    throw ValidationError(soft_message("kernel '", name_, "' ", what...));
  };
  if (code == nullptr) fail("has no code: its address is null; load it first.");
  if (code->version != abi::kVersion)
    fail("was compiled for version ", code->version, " of the executor; this one is version ", abi::kVersion,
         ".");
  if (code->site_count == 0 || code->site_count >= abi::kSeveral)
    fail("has ", code->site_count, " sites; 1 to ", abi::kSeveral - 1, " are possible.");
  if (code->frame_bytes % 64 != 0)
    fail("has frames of ", code->frame_bytes, " bytes; a multiple of 64 is needed.");
  for (const std::uint64_t bytes : {code->frame_bytes, code->threadgroup_bytes}) {
    if (bytes > kMaxBytes)
      fail("needs ", bytes, " bytes of memory for a simdgroup or a threadgroup; at most ", kMaxBytes,
           " are possible.");
  }
  if (!site_names_.empty() && site_names_.size() != code->site_count)
    fail("has ", code->site_count, " sites but ", site_names_.size(), " names for them; give one each.");
  for (std::uint32_t site = 0; site < code->site_count; ++site) check_site(name_, *code, site);
  if (code->site_count == 1 && code->sites[0].successor != abi::kFinished)
    fail("has one site with the successor ", code->sites[0].successor, "; its threads can only finish (",
         abi::kFinished, ").");
}

std::string_view LoadedKernel::site_name(std::uint32_t site) const {
  if (site >= code_->site_count) return "no such site";
  if (!site_names_.empty()) return site_names_[site];
  return kKindNames[static_cast<std::size_t>(code_->sites[site].kind)];
}

}  // namespace isometal::soft
