// csrc/launch/attention.cpp: prefill by tiles of rows, few queries by splitting the keys.
#include "launch/attention.h"

#include <algorithm>

#include "params/attention.h"

namespace isometal::launch {
namespace {

constexpr std::uint8_t kQ = 0, kK = 1, kV = 2, kMask = 3, kOut = 4, kPartOutputs = 5, kPartSums = 6;

/// Up to so many queries of a head are for the split kernel.
constexpr std::int64_t kFewQueries = 8;
/// Threadgroups of the split kernel that fill a large GPU: 40 cores with room for two or three each. A
/// device's own number must not decide, because the order of sums follows from it.
constexpr std::int64_t kFill = 128;
/// A part has at least two blocks of keys for each simdgroup.
constexpr std::int64_t kRounds = 2;

/// Head dims that the kernels are made for, and how many keys they take at a time (metal/attention.metal).
/// From 256 on, float32 needs more registers than there are.
struct Bucket {
  std::int64_t dim, keys;
  bool float32;
};
constexpr std::array<Bucket, 6> kBuckets{
    {{32, 32, true}, {64, 32, true}, {80, 32, true}, {96, 32, true}, {128, 16, true}, {256, 16, false}}};

const Bucket* bucket_for(DType dtype, std::int64_t dim) {
  for (const Bucket& bucket : kBuckets) {
    if (dim <= bucket.dim && (bucket.float32 || dtype != DType::kFloat32)) return &bucket;
  }
  return nullptr;
}

/// Strides with 0 where there is nothing to step over.
template <std::size_t N>
void set_strides(std::int64_t (&to)[N], const Layout& layout) {
  for (std::size_t axis = 0; axis < N; ++axis) to[axis] = layout.shape[axis] > 1 ? layout.strides[axis] : 0;
}

std::int64_t round_up(std::int64_t value, std::int64_t unit) {
  return ceil_div(value, unit) * unit;
}

class Planner {
 public:
  Planner(DType dtype, const AttentionOperands& operands, float scale) : dtype_(dtype) {
    set_strides(params_.q_strides, operands.q);
    set_strides(params_.k_strides, operands.k);
    set_strides(params_.v_strides, operands.v);
    batch_ = operands.q.shape[0];
    heads_ = operands.q.shape[1];
    queries_ = operands.q.shape[2];
    kv_heads_ = operands.k.shape[1];
    keys_ = operands.k.shape[2];
    value_dim_ = operands.v.shape[3];
    params_.heads = to_u32(heads_);
    params_.group = to_u32(heads_ / kv_heads_);
    params_.queries = to_u31(queries_);
    params_.keys = to_u31(keys_);
    params_.dim = to_u31(operands.q.shape[3]);
    params_.value_dim = to_u31(value_dim_);
    params_.scale = scale;
    // A single query sees all keys.
    const bool nothing_hidden = operands.mask == AttentionMask::kCausal && queries_ == 1;
    mask_ = nothing_hidden ? AttentionMask::kNone : operands.mask;
    if (has_mask()) set_strides(params_.mask_strides, operands.mask_layout);
    bucket_ = bucket_for(dtype, std::max<std::int64_t>(operands.q.shape[3], value_dim_));
    rows_ = params_.group * queries_;
  }

  Plan plan(std::string_view forced) {
    // Other head dims have runs that end within what is read together, for which only the tiles have code.
    const bool by_fours = params_.dim % 4 == 0 && value_dim_ % 4 == 0;
    const bool can_split = by_fours && rows_ <= kMost && batch_ * heads_ * queries_ <= kMost;
    if (forced == "streamed" || bucket_ == nullptr) {
      streamed();
    } else if (forced == "tile" || !can_split) {
      tile();
    } else if (forced == "split" || forced == "parts") {
      split(forced == "parts" ? std::max<std::int64_t>(2, parts()) : 1);
    } else if (queries_ <= kFewQueries) {
      split(parts());
    } else {
      tile();
    }
    return std::move(plan_);
  }

 private:
  static constexpr std::int64_t kMost = std::int64_t{1} << 31;

  static std::uint32_t to_u31(std::int64_t value) {
    if (value > kMost) throw std::length_error(message_of_size("attention", value, kMost));
    return to_u32(value);
  }

  bool has_mask() const { return mask_ == AttentionMask::kBool || mask_ == AttentionMask::kAdditive; }
  std::int64_t row_blocks() const { return ceil_div(rows_, ATTENTION_ROWS); }

  std::int64_t parts() const {
    const std::int64_t groups = batch_ * kv_heads_ * row_blocks();
    const std::int64_t least = kRounds * ATTENTION_SPLIT_SIMDGROUPS * bucket_->keys;
    return std::max<std::int64_t>(1, std::min(ceil_div(kFill, groups), keys_ / least));
  }

  Kernel kernel(KernelName name) const {
    return Kernel(Family::kAttention, name).set(ATTENTION_MASK, static_cast<std::uint32_t>(mask_));
  }

  Dispatch& add(const Kernel& kernel) {
    Dispatch& dispatch = plan_.add(kernel).read(0, kQ).read(1, kK).read(2, kV).params(5, params_);
    if (has_mask()) dispatch.read(3, kMask);
    return dispatch;
  }

  KernelName kernel_name(std::string_view variant) const {
    return KernelName("attention_sdpa_", name(dtype_), variant);
  }
  KernelName bucket_name(std::string_view variant) const {
    KernelName result = kernel_name(variant);
    result.append(static_cast<std::uint32_t>(bucket_->dim));
    return result;
  }

  void by_rows(KernelName name, std::int64_t slices) {
    const std::int64_t tiles = ceil_div(queries_, ATTENTION_TILE_SIMDGROUPS * ATTENTION_ROWS);
    add(kernel(name))
        .write(4, kOut)
        .threadgroups({to_u32(tiles), to_u32(heads_ * slices), to_u32(batch_)},
                      {ATTENTION_TILE_SIMDGROUPS * kSimdWidth});
  }
  void tile() { by_rows(bucket_name("_tile_"), 1); }
  void streamed() { by_rows(kernel_name("_streamed"), ceil_div(value_dim_, ATTENTION_STREAM_VALUES)); }

  void split(std::int64_t parts) {
    const std::int64_t keys_per_part =
        round_up(std::max<std::int64_t>(1, ceil_div(keys_, parts)), bucket_->keys);
    params_.keys_per_part = to_u32(keys_per_part);
    parts = std::max<std::int64_t>(1, ceil_div(keys_, keys_per_part));
    Dispatch& dispatch = add(kernel(bucket_name("_split_")).set(ATTENTION_IN_PARTS, parts > 1));
    dispatch.threadgroups({to_u32(parts), to_u32(kv_heads_ * row_blocks()), to_u32(batch_)},
                          {ATTENTION_SPLIT_SIMDGROUPS * kSimdWidth});
    if (parts == 1) {
      dispatch.write(4, kOut);
      return;
    }
    dispatch.write(6, kPartOutputs).write(7, kPartSums);
    const std::int64_t rows = batch_ * heads_ * queries_;
    plan_.temporaries = {rows * parts * value_dim_ * 4, rows * parts * 8};
    const auto across = to_u32(value_dim_), down = to_u32(rows);
    const std::uint32_t width = std::min<std::uint32_t>(across, 64);
    plan_.add(kernel(KernelName("attention_merge_", name(dtype_))))
        .read(0, kPartOutputs)
        .read(1, kPartSums)
        .write(2, kOut)
        .params(3, AttentionMergeParams{to_u32(parts), 0})
        .threads({across, down}, {width, std::max(1U, std::min(down, 256 / width))});
  }

  DType dtype_;
  AttentionParams params_{};
  AttentionMask mask_ = AttentionMask::kNone;
  const Bucket* bucket_ = nullptr;
  std::int64_t batch_ = 0, heads_ = 0, kv_heads_ = 0, queries_ = 0, keys_ = 0, value_dim_ = 0;
  std::int64_t rows_ = 0;  ///< that share a head of keys
  Plan plan_;
};

}  // namespace

bool attention_reads(const Layout& layout) {
  return layout.shape.back() <= 1 || layout.strides.back() == 1;
}

Plan attention(DType dtype, const AttentionOperands& operands, float scale, const Choice& choice) {
  const Layout& q = operands.q;
  if (q.shape[0] == 0 || q.shape[1] == 0 || q.shape[2] == 0 || operands.v.shape[3] == 0) return {};
  return Planner(dtype, operands, scale).plan(choice.forced);
}

}  // namespace isometal::launch
