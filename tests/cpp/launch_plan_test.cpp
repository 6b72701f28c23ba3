// tests/cpp/launch_plan_test.cpp: what plans are made of: names, constants, bindings, grids.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

#include "launch/attention.h"
#include "launch/norm.h"
#include "launch/reduce.h"
#include "launch/softmax.h"
#include "launch_support.h"

using isometal::launch::Family;
using isometal::launch::groups_for;
using isometal::launch::Kernel;
using isometal::launch::KernelName;
using isometal::launch::kMaxGroups;
using isometal::launch::to_u32;

namespace {

template <typename Body>
std::string refusal(const Body& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

Kernel kernel(std::string_view name = "add", Family family = Family::kBinary) {
  return Kernel(family, KernelName(name));
}

}  // namespace

TEST_CASE(names_are_built_of_parts_and_have_a_limit) {
  KernelName name("a_", "b", std::uint32_t{4294967295});
  CHECK_EQUAL(name.view(), "a_b4294967295");
  const std::string most(79 - name.view().size(), 'x');
  name.append(most);
  CHECK_EQUAL(name.view().size(), std::size_t{79});
  CHECK_EQUAL(refusal([&] { name.append("x"); }), "kernel name is too long");
}

TEST_CASE(a_smaller_threadgroup_keeps_its_neighbours_along_x) {
  using isometal::launch::within;
  CHECK(within({64, 4, 2}, 512) == (Size3{64, 4, 2}));
  CHECK(within({64, 4, 2}, 511) == (Size3{64, 4, 1}));
  CHECK(within({64, 4, 1}, 255) == (Size3{64, 3, 1}));
  CHECK(within({64, 4, 4}, 100) == (Size3{64, 1, 1}));
  CHECK(within({256, 1, 1}, 96) == (Size3{96, 1, 1}));
  CHECK(within({3, 5, 7}, 16) == (Size3{3, 5, 1}));
  CHECK(within({3, 5, 7}, 1) == (Size3{1, 1, 1}));
}

TEST_CASE(kernels_are_equal_in_family_name_and_every_constant) {
  const auto with = [](std::uint8_t index, auto value) { return kernel().set(index, value); };
  CHECK(with(3, true) == with(3, true));
  CHECK_EQUAL(with(3, true).hash(), with(3, true).hash());
  const Kernel others[] = {
      kernel(),       kernel("sub"), kernel("add", Family::kUnary), with(3, true),
      with(3, false), with(4, true), with(3, std::uint32_t{1}),     with(3, true).set(4, true)};
  std::unordered_set<Kernel> set;
  for (const Kernel& one : others) {
    for (const Kernel& other : others) CHECK_EQUAL(one == other, &one == &other);
    set.insert(one);
  }
  CHECK_EQUAL(set.size(), std::size(others));
}

TEST_CASE(constants_and_buffers_have_a_limit) {
  Kernel full = kernel();
  for (std::uint8_t index = 0; index < Kernel::kMaxConstants; ++index) full.set(index, true);
  CHECK_EQUAL(refusal([&] { full.set(99, true); }), "too many function constants");
  Dispatch dispatch(kernel());
  for (std::uint8_t index = 0; index < Dispatch::kMaxBindings; ++index) dispatch.read(index, 0);
  CHECK_EQUAL(refusal([&] { dispatch.read(99, 0); }), "too many buffers for a dispatch");
}

TEST_CASE(parameters_are_read_as_what_they_were) {
  Dispatch dispatch(kernel());
  dispatch.params(1, 7.5);
  CHECK_EQUAL(dispatch.params_as<double>(), 7.5);
  CHECK_EQUAL(refusal([&] { dispatch.params_as<float>(); }), "another parameter type");
  CHECK_EQUAL(dispatch.params(1, 2.5F).params_as<float>(), 2.5F);
}

TEST_CASE(only_products_depend_on_the_device_in_how_sums_are_cut) {
  const auto plans = [](const DeviceTraits& traits) {
    const Choice choice{traits, ""};
    std::vector<Plan> result;
    for (const std::int64_t size : {100, 3000, 5'000'000}) {
      const Layout x = contiguous_layout({3, size});
      for (const Dims& axes : {Dims{0}, Dims{1}, Dims{0, 1}})
        result.push_back(reduce(isometal::launch::ReduceOp::kSum, DType::kFloat32, x, axes, choice));
      result.push_back(softmax_rows(DType::kFloat32, x, choice));
      result.push_back(norm(isometal::launch::NormOp::kLayer, DType::kFloat32, x, {}, {}, 0, choice));
      const Layout q = contiguous_layout({1, 4, 1, 64}), k = contiguous_layout({1, 4, size, 64});
      result.push_back(attention(DType::kFloat32, {q, k, k, {}, {}}, 1, choice));
    }
    return result;
  };
  const std::vector<Plan> few = plans({2, false, false}), many = plans({80, true, true});
  for (std::size_t i = 0; i < few.size(); ++i) {
    CHECK_EQUAL(few[i].dispatches.size(), many[i].dispatches.size());
    for (std::size_t j = 0; j < few[i].dispatches.size(); ++j) {
      const Dispatch &one = few[i].dispatches[j], &other = many[i].dispatches[j];
      CHECK(one.kernel == other.kernel && one.grid == other.grid && one.group == other.group);
      CHECK(std::equal(one.params_data(), one.params_data() + one.params_size(), other.params_data()));
    }
  }
}

TEST_CASE(sizes_differ_in_any_direction) {
  const Size3 size{2, 3, 4};
  CHECK(size == (Size3{2, 3, 4}));
  for (const Size3 other : {Size3{1, 3, 4}, Size3{2, 1, 4}, Size3{2, 3, 1}}) CHECK(!(size == other));
}

TEST_CASE(grids_go_on_along_y_and_end_with_32_bits) {
  CHECK(groups_for(kMaxGroups) == (Size3{1U << 30, 1, 1}));
  CHECK(groups_for(kMaxGroups + 1) == (Size3{1U << 30, 2, 1}));
  CHECK_EQUAL(to_u32(4294967295), 4294967295U);
  for (const std::int64_t value : {std::int64_t{4294967296}, std::int64_t{-1}})
    CHECK_EQUAL(refusal([&] { to_u32(value); }), "[metal] a launch would count to " + std::to_string(value) +
                                                     "; it can to 4294967295: split the array.");
}
