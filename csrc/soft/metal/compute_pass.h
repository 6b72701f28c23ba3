// csrc/soft/metal/compute_pass.h: the dispatches that a compute encoder recorded, and their order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <vector>

#include "soft/grid.h"
#include "soft/metal/pipeline.h"
#include "soft/metal/step.h"

namespace isometal::soft {

struct DispatchRecord {
  std::shared_ptr<const PipelineCode> code;
  std::array<void*, abi::kArguments> buffers{};
  std::array<std::uint32_t, abi::kArguments> threadgroup_lengths{};
  Size3 grid;
  Size3 threadgroup;
  bool grid_is_threads = false;
  const std::byte* indirect = nullptr;     ///< where the grid is read when the dispatch runs
  std::span<const void* const> resources;  ///< that it may touch; of concurrent encoders only
};

/// Between the dispatches of a concurrent encoder.
struct BarrierRecord {
  std::size_t before = 0;  ///< dispatches recorded before it
  /// Dispatches on both sides that touch one of these are ordered; without any, all are.
  std::vector<const void*> resources;
};

/// An order, drawn from `seed`, in which the dispatches of a concurrent encoder may run.
std::vector<std::size_t> concurrent_order(const std::vector<DispatchRecord>& dispatches,
                                          const std::vector<BarrierRecord>& barriers, std::uint64_t seed);

class ComputePass final : public Step {
 public:
  ComputePass(MTL::DispatchType how, std::shared_ptr<EncoderReport> about)
      : type(how), report_(std::move(about)) {
    dispatches.reserve(kUsualDispatches);
  }

  void run(const RunContext& context) override;
  void release() override;
  EncoderReport* report() override { return report_.get(); }

  /// What setBytes copies, aligned for any type of MSL. It stays until the pass is released.
  std::span<std::byte> keep(const void* bytes, std::size_t size);
  std::span<const void* const> keep(const std::vector<const void*>& resources);

  const MTL::DispatchType type;
  std::vector<DispatchRecord> dispatches;
  std::vector<BarrierRecord> barriers;

 private:
  static constexpr std::size_t kUsualDispatches = 40;

  std::shared_ptr<EncoderReport> report_;
  /// Of all records: what one thread allocates piece by piece and another frees, they would wait for each
  /// other for.
  std::pmr::monotonic_buffer_resource memory_;
};

}  // namespace isometal::soft
