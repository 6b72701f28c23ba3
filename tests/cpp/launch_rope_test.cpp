// tests/cpp/launch_rope_test.cpp: plans of rotary position embedding.
#include <cmath>
#include <limits>

#include "launch/rope.h"
#include "launch_support.h"
#include "params/rope.h"

using isometal::launch::rope;
using isometal::launch::Rope;

namespace {

Rope of_dims(std::int64_t dims) {
  Rope rope;
  rope.dims = dims;
  return rope;
}

Plan plan_of(const Rope& wanted, const Layout& x, std::string_view forced = "") {
  return rope(wanted, DType::kFloat32, x, {{}, forced});
}

}  // namespace

TEST_CASE(a_rope_of_nothing_has_nothing_to_do) {
  CHECK(plan_of(of_dims(4), contiguous_layout({2, 0, 4})).dispatches.empty());
}

TEST_CASE(turns_are_fractions_of_a_circle_in_64_bits) {
  Rope quarter = of_dims(4);
  quarter.base = 16;
  quarter.scale = 2 * 3.141592653589793238;  // pairs turn by 1 and 1/4 at each position
  const auto params = plan_of(quarter, contiguous_layout({5, 4})).dispatches[0].params_as<RopeParams>();
  // The scale is pi rounded to 53 bits, as are the turns.
  CHECK(static_cast<std::int64_t>(params.turns[0]) > -4096 &&
        static_cast<std::int64_t>(params.turns[0]) < 4096);
  const auto error = static_cast<std::int64_t>(params.turns[1] - (std::uint64_t{1} << 62));
  CHECK(error > -1024 && error < 1024);
}

TEST_CASE(negative_turns_wrap_around) {
  Rope back = of_dims(2), forth = of_dims(2);
  back.scale = -1;
  const auto one = plan_of(back, contiguous_layout({5, 2})).dispatches[0].params_as<RopeParams>().turns[0];
  const auto other = plan_of(forth, contiguous_layout({5, 2})).dispatches[0].params_as<RopeParams>().turns[0];
  CHECK_EQUAL(one + other, std::uint64_t{0});
  // 1 / (2 pi) = 0.28be60db9391054a7f09d5f4 in base 16; a double's 53 bits of the product with 1.
  CHECK(std::abs(static_cast<std::int64_t>(other - 0x28be60db9391054aULL)) < 4);
}

TEST_CASE(turns_keep_what_a_fraction_of_64_bits_can_hold) {
  const auto turns = [](double scale) {
    Rope wanted = of_dims(2);
    wanted.scale = scale;
    return plan_of(wanted, contiguous_layout({5, 2})).dispatches[0].params_as<RopeParams>().turns[0];
  };
  // 2^70 / (2 pi): its first 53 bits are whole turns; of the rest, -0x1.6b01ec5417056p+13, the fraction
  // stays.
  CHECK_EQUAL(turns(0x1p70), 0 - (std::uint64_t{0x16b01ec5417056} << 25));
  // Both parts are whole turns, or nothing.
  CHECK_EQUAL(turns(0x1p200), std::uint64_t{0});
  CHECK_EQUAL(turns(0x1p-80), std::uint64_t{0});
  CHECK_EQUAL(turns(std::numeric_limits<double>::infinity()), std::uint64_t{0});
}

TEST_CASE(tables_are_kept_by_what_they_are_made_of) {
  const Layout x = contiguous_layout({5, 8});
  const auto turns = [&](double base, double scale) {
    Rope wanted = of_dims(8);
    wanted.base = base;
    wanted.scale = scale;
    return plan_of(wanted, x).dispatches[0].params_as<RopeParams>().turns[1];
  };
  const auto first = turns(10000, 1);
  for (const double base : {10.0, 20.0, 30.0, 40.0, 50.0}) CHECK(turns(base, 1) != first);
  CHECK(turns(10000, 0.5) != first);
  CHECK_EQUAL(turns(10000, 1), first);
}

TEST_CASE(wavelengths_divide_a_sum_of_three_floats) {
  Rope wanted = of_dims(8);
  wanted.has_freqs = true;
  const auto params = plan_of(wanted, contiguous_layout({5, 8})).dispatches[0].params_as<RopeParams>();
  const float* const parts = params.turns_of_wavelength;
  CHECK_EQUAL(static_cast<double>(parts[0]) + static_cast<double>(parts[1]) + static_cast<double>(parts[2]),
              0x1.45f306dc9c883p-3);
  CHECK(std::abs(parts[1]) <= parts[0] * 0x1p-24F && parts[2] != 0);
}

TEST_CASE(heads_share_sine_and_cosine) {
  // All axes before the positions lie evenly: 2 * 8 heads.
  const Plan plan = plan_of(of_dims(64), contiguous_layout({2, 8, 4096, 64}));
  const auto params = plan.dispatches[0].params_as<RopeParams>();
  CHECK_EQUAL(params.heads, 16U);
  CHECK_EQUAL(params.axes, 0U);
  CHECK_EQUAL(params.heads_per_thread, 8U);
  CHECK(plan.dispatches[0].grid == (Size3{16, 4096, 2}));
  // One position leaves too few threads for that.
  const Plan step = plan_of(of_dims(64), contiguous_layout({2, 8, 1, 64}));
  CHECK_EQUAL(step.dispatches[0].params_as<RopeParams>().heads_per_thread, 1U);
}

TEST_CASE(offsets_keep_batch_entries_apart) {
  Rope wanted = of_dims(64);
  wanted.has_offsets = true;
  const Plan plan = plan_of(wanted, contiguous_layout({3, 8, 4096, 64}));
  const auto params = plan.dispatches[0].params_as<RopeParams>();
  CHECK_EQUAL(params.heads, 8U);
  CHECK_EQUAL(params.axes, 1U);
  CHECK_EQUAL(params.axes_per_batch, 1U);
  CHECK_EQUAL(params.shape[0], 3U);
  CHECK_EQUAL(plan.dispatches[0].grid.z, 3U);
  // (B, T, H1, H2, D) with heads before positions, where the two do not merge.
  const Layout x = transpose(contiguous_layout({3, 50, 4, 6, 64}), {0, 3, 2, 1, 4});
  const auto walked = plan_of(wanted, x).dispatches[0].params_as<RopeParams>();
  CHECK_EQUAL(walked.heads, 4U);
  CHECK_EQUAL(walked.head_stride, 6 * 64);
  CHECK_EQUAL(walked.axes, 2U);
  CHECK_EQUAL(walked.axes_per_batch, 6U);
  CHECK_EQUAL(walked.shape[1], 3U);
  CHECK_EQUAL(walked.strides[0], 64);
}

TEST_CASE(many_pairs_take_several_dispatches) {
  const Plan plan = plan_of(of_dims(300), contiguous_layout({7, 303}));
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{3});
  std::int64_t pairs = 0;
  for (const Dispatch& dispatch : plan.dispatches) {
    const auto params = dispatch.params_as<RopeParams>();
    CHECK_EQUAL(params.first_pair, pairs);
    pairs += std::int64_t{params.columns} * constant(dispatch, ROPE_VECTOR);
  }
  CHECK_EQUAL(pairs, 150);
  CHECK_EQUAL(constant(plan.dispatches[0], ROPE_REST), 0U);
  // The last has the 3 features that pass through.
  CHECK_EQUAL(constant(plan.dispatches[2], ROPE_REST), 1U);
  CHECK_EQUAL(plan.dispatches[2].grid.x, 12U);
  Rope freqs = of_dims(300);
  freqs.has_freqs = true;
  CHECK_EQUAL(plan_of(freqs, contiguous_layout({7, 303})).dispatches.size(), std::size_t{1});
}

TEST_CASE(threads_take_pairs_that_divide_evenly) {
  const auto vector = [](std::int64_t dims, DType dtype, bool traditional, std::string_view forced) {
    Rope wanted = of_dims(dims);
    wanted.traditional = traditional;
    const Plan plan = rope(wanted, dtype, contiguous_layout({7, dims}), {{}, forced});
    return constant(plan.dispatches[0], ROPE_VECTOR);
  };
  CHECK_EQUAL(vector(64, DType::kFloat32, false, ""), 2U);
  CHECK_EQUAL(vector(64, DType::kFloat16, false, ""), 4U);
  CHECK_EQUAL(vector(64, DType::kFloat16, true, ""), 2U);
  CHECK_EQUAL(vector(64, DType::kFloat32, false, "vector_4"), 4U);
  CHECK_EQUAL(vector(64, DType::kFloat32, false, "vector_1"), 1U);
  CHECK_EQUAL(vector(64, DType::kFloat16, false, "vector_2"), 2U);
  CHECK_EQUAL(vector(66, DType::kFloat16, false, "vector_4"), 1U);
  CHECK_EQUAL(vector(68, DType::kFloat16, false, "vector_4"), 2U);
}

TEST_CASE(a_rope_finds_features_by_strides) {
  const Layout x = transpose(contiguous_layout({4, 6}), {1, 0});
  const Plan plan = plan_of(of_dims(4), x);
  CHECK_EQUAL(constant(plan.dispatches[0], ROPE_STRIDED), 1U);
  const auto params = plan.dispatches[0].params_as<RopeParams>();
  CHECK_EQUAL(params.feature_stride, 6);
  CHECK_EQUAL(params.position_stride, 1);
  CHECK_EQUAL(constant(plan_of(of_dims(4), contiguous_layout({6, 4})).dispatches[0], ROPE_STRIDED), 0U);
}

TEST_CASE(ropes_address_in_64_bits) {
  const Plan plan = plan_of(of_dims(128), contiguous_layout({64, 32, 1 << 20, 128}));
  const auto params = plan.dispatches[0].params_as<RopeParams>();
  CHECK_EQUAL(params.head_stride, std::int64_t{128} << 20);
  CHECK_EQUAL(params.heads, 2048U);
  CHECK(plan.dispatches[0].grid == (Size3{32, 1 << 20, 256}));
}
