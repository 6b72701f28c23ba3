// csrc/soft/metal/residency_set.h: the books of a residency set.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "soft/metal/access.h"

namespace isometal::soft {

class ResidencySetImpl final : public MTL::ResidencySet {
 public:
  explicit ResidencySetImpl(const MTL::ResidencySetDescriptor* descriptor);

  NS::String* label_object() const { return label_.get(); }
  void add(const MTL::Allocation* allocation);
  void remove(const MTL::Allocation* allocation);
  void clear();
  void commit_changes();
  bool contains(const MTL::Allocation* allocation) const;
  std::vector<NS::SharedPtr<MTL::Allocation>> allocations() const;
  std::uint64_t committed_bytes() const;

 private:
  NS::SharedPtr<NS::String> label_;
  mutable std::mutex mutex_;
  std::vector<NS::SharedPtr<MTL::Allocation>> allocations_;
  std::uint64_t committed_bytes_ = 0;
};

}  // namespace isometal::soft
