// tests/cpp/launch_attention_test.cpp: plans of attention.
#include "launch/attention.h"

#include <stdexcept>

#include "launch_support.h"
#include "params/attention.h"

using isometal::launch::attention;
using isometal::launch::attention_reads;
using isometal::launch::AttentionMask;
using isometal::launch::AttentionOperands;

namespace {

struct Shape {
  std::int64_t batch = 1, heads = 8, kv_heads = 2, queries = 64, keys = 64, dim = 64, value_dim = 64;
};

AttentionOperands operands(const Shape& s, AttentionMask mask = AttentionMask::kNone) {
  return {contiguous_layout({s.batch, s.heads, s.queries, s.dim}),
          contiguous_layout({s.batch, s.kv_heads, s.keys, s.dim}),
          contiguous_layout({s.batch, s.kv_heads, s.keys, s.value_dim}),
          mask,
          {}};
}

Plan plan_of(const Shape& shape, const Choice& choice = {}, DType dtype = DType::kFloat16,
             AttentionMask mask = AttentionMask::kNone) {
  return attention(dtype, operands(shape, mask), 0.125F, choice);
}

std::string name_of(const Shape& shape, const Choice& choice = {}, DType dtype = DType::kFloat16) {
  const Plan plan = plan_of(shape, choice, dtype);
  return plan.dispatches.empty() ? "" : std::string(plan.dispatches[0].kernel.name());
}

bool writes(const Dispatch& dispatch, std::uint8_t index, std::uint8_t operand) {
  for (const auto& binding : dispatch) {
    if (binding.index == index) return binding.writes && binding.operand == operand;
  }
  return false;
}

}  // namespace

TEST_CASE(attention_without_elements_has_nothing_to_do) {
  CHECK(plan_of({.batch = 0}).dispatches.empty());
  CHECK(plan_of({.heads = 0}).dispatches.empty());
  CHECK(plan_of({.queries = 0}).dispatches.empty());
  CHECK(plan_of({.value_dim = 0}).dispatches.empty());
  // No keys: zeros have to be written.
  CHECK_EQUAL(plan_of({.keys = 0}).dispatches.size(), std::size_t{1});
}

TEST_CASE(many_queries_go_by_tiles_of_rows) {
  const Plan plan = plan_of({.batch = 3, .queries = 65});
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{1});
  const Dispatch& dispatch = plan.dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "attention_sdpa_float16_tile_64");
  CHECK(dispatch.grid == (Size3{3, 8, 3}));
  CHECK(dispatch.group == (Size3{128, 1, 1}));
  CHECK(writes(dispatch, 4, 4));
  const auto params = dispatch.params_as<AttentionParams>();
  CHECK_EQUAL(params.group, 4U);
  CHECK_EQUAL(params.q_strides[0], 8 * 65 * 64);
  CHECK_EQUAL(params.k_strides[2], 64);
  CHECK_EQUAL(params.scale, 0.125F);
}

TEST_CASE(head_dims_are_rounded_up) {
  CHECK_EQUAL(name_of({.dim = 1, .value_dim = 1}), "attention_sdpa_float16_tile_32");
  CHECK_EQUAL(name_of({.dim = 33, .value_dim = 1}), "attention_sdpa_float16_tile_64");
  CHECK_EQUAL(name_of({.dim = 1, .value_dim = 65}), "attention_sdpa_float16_tile_80");
  CHECK_EQUAL(name_of({.dim = 96, .value_dim = 80}), "attention_sdpa_float16_tile_96");
  CHECK_EQUAL(name_of({.dim = 97, .value_dim = 97}), "attention_sdpa_float16_tile_128");
  CHECK_EQUAL(name_of({.dim = 256, .value_dim = 8}), "attention_sdpa_float16_tile_256");
  CHECK_EQUAL(name_of({.dim = 257, .value_dim = 8}), "attention_sdpa_float16_streamed");
  // float32 fills twice the registers.
  CHECK_EQUAL(name_of({.dim = 128, .value_dim = 8}, {}, DType::kFloat32), "attention_sdpa_float32_tile_128");
  CHECK_EQUAL(name_of({.dim = 129, .value_dim = 8}, {}, DType::kFloat32), "attention_sdpa_float32_streamed");
}

TEST_CASE(wide_values_are_cut_in_slices) {
  CHECK(plan_of({.queries = 32, .dim = 8, .value_dim = 513}).dispatches[0].grid == (Size3{1, 8 * 3, 1}));
}

TEST_CASE(few_queries_share_the_keys) {
  // 4 heads of 5 queries are 20 rows, three blocks of 8.
  const Plan plan = plan_of({.batch = 3, .queries = 5, .keys = 700});
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{1});
  const Dispatch& dispatch = plan.dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "attention_sdpa_float16_split_64");
  CHECK(dispatch.grid == (Size3{1, 2 * 3, 3}));
  CHECK(dispatch.group == (Size3{256, 1, 1}));
  CHECK_EQUAL(constant(dispatch, ATTENTION_IN_PARTS), 0U);
  CHECK(writes(dispatch, 4, 4));
  CHECK_EQUAL(name_of({.queries = 8}), "attention_sdpa_float16_split_64");
  CHECK_EQUAL(name_of({.queries = 9}), "attention_sdpa_float16_tile_64");
  // Dims that are no multiples of four are for threadgroup memory.
  CHECK_EQUAL(name_of({.queries = 1, .dim = 33}), "attention_sdpa_float16_tile_64");
  CHECK_EQUAL(name_of({.queries = 1, .value_dim = 7}), "attention_sdpa_float16_tile_64");
}

TEST_CASE(many_keys_are_cut_in_parts) {
  const Plan plan = plan_of({.batch = 2, .queries = 1, .keys = 4100});
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{2});
  const Dispatch& dispatch = plan.dispatches[0];
  CHECK_EQUAL(constant(dispatch, ATTENTION_IN_PARTS), 1U);
  CHECK(dispatch.grid == (Size3{8, 2, 2}));
  const auto params = dispatch.params_as<AttentionParams>();
  CHECK_EQUAL(params.keys_per_part % 32, 0U);
  CHECK(params.keys_per_part * 8 >= 4100);
  CHECK(params.keys_per_part * 7 < 4100);
  CHECK(writes(dispatch, 6, 5));
  CHECK(writes(dispatch, 7, 6));
  CHECK_EQUAL(plan.temporaries.size(), std::size_t{2});
  CHECK_EQUAL(plan.temporaries[0], std::int64_t{2} * 8 * 8 * 64 * 4);
  CHECK_EQUAL(plan.temporaries[1], std::int64_t{2} * 8 * 8 * 8);
  const Dispatch& merge = plan.dispatches[1];
  CHECK_EQUAL(merge.kernel.name(), "attention_merge_float16");
  CHECK(merge.grid == (Size3{64, 16, 1}));
  CHECK(writes(merge, 2, 4));
  CHECK_EQUAL(merge.params_as<AttentionMergeParams>().parts, 8U);
}

TEST_CASE(parts_are_as_many_as_fill_a_device) {
  // Enough threadgroups without them.
  CHECK_EQUAL(plan_of({.batch = 64, .queries = 1, .keys = 4096}).dispatches.size(), std::size_t{1});
  CHECK(plan_of({.batch = 32, .queries = 1, .keys = 4096}).dispatches[0].grid == (Size3{2, 2, 32}));
  // Their number grows with the rows, not with the keys.
  CHECK(plan_of({.queries = 1, .keys = 1 << 20}).dispatches[0].grid == (Size3{64, 2, 1}));
  CHECK(plan_of({.queries = 1, .keys = 1 << 30}).dispatches[0].grid == (Size3{64, 2, 1}));
  // A result must not depend on the device.
  const Choice large{{80, true}, ""};
  CHECK(plan_of({.queries = 1, .keys = 1 << 20}, large).dispatches[0].grid == (Size3{64, 2, 1}));
}

TEST_CASE(attention_variants_can_be_forced) {
  const Shape shape{.queries = 40, .keys = 100};
  CHECK_EQUAL(name_of(shape, {{}, "tile"}), "attention_sdpa_float16_tile_64");
  CHECK_EQUAL(name_of(shape, {{}, "streamed"}), "attention_sdpa_float16_streamed");
  CHECK_EQUAL(name_of(shape, {{}, "split"}), "attention_sdpa_float16_split_64");
  CHECK_EQUAL(plan_of(shape, {{}, "split"}).dispatches.size(), std::size_t{1});
  CHECK_EQUAL(plan_of(shape, {{}, "parts"}).dispatches.size(), std::size_t{2});
  CHECK_EQUAL(name_of({.queries = 1}, {{}, "tile"}), "attention_sdpa_float16_tile_64");
  // Only where they are able to.
  CHECK_EQUAL(name_of({.dim = 300}, {{}, "tile"}), "attention_sdpa_float16_streamed");
  CHECK_EQUAL(name_of({.dim = 3}, {{}, "parts"}), "attention_sdpa_float16_tile_64");
  // One block of keys has no parts.
  CHECK_EQUAL(plan_of({.queries = 1, .keys = 32}, {{}, "parts"}).dispatches.size(), std::size_t{1});
  CHECK_EQUAL(plan_of({.queries = 1, .keys = 0}, {{}, "parts"}).dispatches.size(), std::size_t{1});
}

TEST_CASE(masks_are_read_by_strides) {
  AttentionOperands with_mask = operands({.batch = 2}, AttentionMask::kBool);
  with_mask.mask_layout = broadcast_to(contiguous_layout({64, 1}), {2, 8, 64, 64});
  const Plan plan = attention(DType::kFloat32, with_mask, 1, {});
  const Dispatch& dispatch = plan.dispatches[0];
  CHECK_EQUAL(constant(dispatch, ATTENTION_MASK), ATTENTION_MASK_BOOL);
  const auto params = dispatch.params_as<AttentionParams>();
  CHECK_EQUAL(params.mask_strides[0], 0);
  CHECK_EQUAL(params.mask_strides[2], 1);
  CHECK_EQUAL(params.mask_strides[3], 0);
  bool bound = false;
  for (const auto& binding : dispatch) bound |= binding.index == 3 && binding.operand == 3 && !binding.writes;
  CHECK(bound);
}

TEST_CASE(one_query_sees_all_keys) {
  const auto mask = [](const Shape& shape) {
    const Plan plan = plan_of(shape, {}, DType::kFloat32, AttentionMask::kCausal);
    return constant(plan.dispatches[0], ATTENTION_MASK);
  };
  CHECK_EQUAL(mask({.queries = 1, .keys = 7}), ATTENTION_MASK_NONE);
  CHECK_EQUAL(mask({.queries = 2, .keys = 7}), ATTENTION_MASK_CAUSAL);
}

TEST_CASE(operands_are_read_in_place_where_rows_are_contiguous) {
  CHECK(attention_reads(transpose(contiguous_layout({2, 7, 4, 64}), {0, 2, 1, 3})));
  CHECK(attention_reads(Layout{{2, 2, 2, 1}, {8, 4, 2, 5}, 0}));
  CHECK(attention_reads(Layout{{2, 2, 2, 8}, {0, -32, -8, 1}, 100}));
  CHECK(!attention_reads(transpose(contiguous_layout({2, 4, 64, 7}), {0, 1, 3, 2})));
  CHECK(!attention_reads(Layout{{2, 2, 2, 8}, {0, 0, 0, 0}, 0}));
}

TEST_CASE(attention_beyond_32_bits) {
  // 2^31 keys of 64 numbers, as a broadcast view can have them.
  const std::int64_t many = std::int64_t{1} << 31;
  const Plan plan = plan_of({.queries = 1, .keys = many});
  const auto params = plan.dispatches[0].params_as<AttentionParams>();
  CHECK_EQUAL(params.keys, 1U << 31);
  CHECK_EQUAL(params.k_strides[1], many * 64);
  CHECK(std::int64_t{params.keys_per_part} * plan.dispatches[0].grid.x >= many);
  // Strides and rows of 2^35 elements.
  const auto large = plan_of({.batch = 4, .queries = many, .keys = 8}).dispatches[0];
  CHECK_EQUAL(large.params_as<AttentionParams>().q_strides[0], many * 64 * 8);
  CHECK(large.grid == (Size3{1U << 26, 8, 4}));
  // So many rows are not for parts, whose merge has a thread for each.
  CHECK_EQUAL(name_of({.queries = many}, {{}, "parts"}), "attention_sdpa_float16_tile_64");
  const auto refuses = [](const Shape& shape) {
    try {
      plan_of(shape);
      return false;
    } catch (const std::length_error&) {
      return true;
    }
  };
  CHECK(refuses({.keys = many + 1}));
  CHECK(refuses({.queries = many + 1}));
}

TEST_CASE(masks_step_over_no_axis_of_one) {
  AttentionOperands additive = operands({.heads = 1, .kv_heads = 1}, AttentionMask::kAdditive);
  additive.mask_layout = contiguous_layout({1, 1, 64, 64});
  const Dispatch dispatch = attention(DType::kFloat32, additive, 1, {}).dispatches[0];
  CHECK_EQUAL(constant(dispatch, ATTENTION_MASK), ATTENTION_MASK_ADDITIVE);
  const auto params = dispatch.params_as<AttentionParams>();
  CHECK_EQUAL(params.mask_strides[0], 0);
  CHECK_EQUAL(params.mask_strides[1], 0);
  CHECK_EQUAL(params.mask_strides[2], 64);
}

TEST_CASE(parts_are_for_as_many_rows_as_a_merge_has_threads) {
  const std::int64_t many = std::int64_t{1} << 28;
  CHECK_EQUAL(name_of({.batch = many, .queries = 1}), "attention_sdpa_float16_split_64");
  CHECK_EQUAL(name_of({.batch = many + 1, .queries = 1}), "attention_sdpa_float16_tile_64");
}
