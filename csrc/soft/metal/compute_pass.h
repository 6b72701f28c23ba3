// csrc/soft/metal/compute_pass.h: the dispatches that a compute encoder recorded, and their order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "soft/grid.h"
#include "soft/metal/pipeline.h"
#include "soft/metal/step.h"

namespace isometal::soft {

/// What setBytes copied, aligned for any type of MSL.
class InlineBytes {
 public:
  InlineBytes(const void* bytes, std::size_t size);

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kAlignment = 64;

  std::unique_ptr<std::byte[]> memory_;  ///< larger by what alignment may take: aligned `new` is slow
  std::byte* data_;
  std::size_t size_;
};

struct DispatchRecord {
  std::shared_ptr<const PipelineCode> code;
  std::array<void*, abi::kArguments> buffers{};
  std::array<std::uint32_t, abi::kArguments> threadgroup_lengths{};
  std::vector<std::shared_ptr<const InlineBytes>> inline_bytes;
  Size3 grid;
  Size3 threadgroup;
  bool grid_is_threads = false;
  const std::byte* indirect = nullptr;  ///< where the grid is read when the dispatch runs
  std::vector<const void*> resources;   ///< that it may touch; of concurrent encoders only
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
      : type(how), report_(std::move(about)) {}

  void run(const RunContext& context) override;
  void release() override { dispatches.clear(); }
  EncoderReport* report() override { return report_.get(); }

  const MTL::DispatchType type;
  std::vector<DispatchRecord> dispatches;
  std::vector<BarrierRecord> barriers;

 private:
  std::shared_ptr<EncoderReport> report_;
};

}  // namespace isometal::soft
