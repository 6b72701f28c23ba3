// tests/cpp/array_test.cpp: the promises of Array, views and copies.
#include "array.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>

#include "check.h"
#include "error.h"

using namespace isometal;

namespace {

template <typename T>
Array counting(const Dims& shape, DType dtype) {
  Array array = Array::empty(shape, dtype);
  auto* values = reinterpret_cast<T*>(array.mutable_data());
  for (std::int64_t i = 0; i < array.size(); ++i) values[i] = static_cast<T>(i);
  return array;
}

template <typename T>
std::vector<T> values(const Array& array) {
  const Array dense = array.contiguous();
  std::vector<T> result(static_cast<std::size_t>(dense.size()));
  if (!result.empty()) std::memcpy(result.data(), dense.data(), result.size() * sizeof(T));
  return result;
}

}  // namespace

TEST_CASE(empty_has_the_size_asked_for) {
  const Array array = Array::empty({2, 3}, DType::kBFloat16);
  CHECK_EQUAL(array.nbytes(), 12);
  CHECK_EQUAL(array.buffer()->nbytes(), 12);
  CHECK(array.is_contiguous() && !array.readonly());
  CHECK_EQUAL(Array::empty({}, DType::kInt64).nbytes(), 8);
  CHECK_EQUAL(Array::empty({4, 0}, DType::kFloat32).nbytes(), 0);
}

TEST_CASE(sizes_that_overflow_are_refused) {
  constexpr std::int64_t kBig = std::int64_t{1} << 61;
  CHECK_THROWS(ShapeError, "too many bytes", Array::empty({kBig}, DType::kFloat32));
  CHECK_THROWS(ShapeError, "too many bytes", Array::empty({kBig, 0}, DType::kInt64));
  CHECK_THROWS(ShapeError, "too many elements", Array::empty({kBig, kBig}, DType::kBool));
  CHECK_THROWS(ShapeError, "negative", Array::empty({-1}, DType::kBool));
  CHECK_THROWS(ShapeError, "too many bytes", Array::empty({1}, DType::kInt64).broadcast_to({kBig}));
}

TEST_CASE(construction_checks_bounds_in_elements) {
  const auto buffer = Buffer::allocate(15);
  CHECK_EQUAL(Array(buffer, DType::kFloat32, {{3}, {1}, 0}).size(), 3);
  CHECK_THROWS(ShapeError, "leaves the buffer of 3 elements", Array(buffer, DType::kFloat32, {{4}, {1}, 0}));
  CHECK_THROWS(ShapeError, "leaves the buffer of 1 elements", Array(buffer, DType::kInt64, {{1}, {1}, 1}));
  CHECK_EQUAL(Array(buffer, DType::kBool, {{15}, {-1}, 14}).size(), 15);
}

TEST_CASE(construction_checks_alignment) {
  const auto backing = Buffer::allocate(64);
  const auto shifted = Buffer::borrow(backing->data() + 2, 32, false, backing);
  CHECK_EQUAL(Array(shifted, DType::kFloat16, {{16}, {1}, 0}).size(), 16);
  CHECK_THROWS(ShapeError, "not aligned to the 4 bytes of float32",
               Array(shifted, DType::kFloat32, {{8}, {1}, 0}));
}

TEST_CASE(views_share_the_buffer) {
  const Array array = counting<float>({2, 3, 4}, DType::kFloat32);
  const Array view = array.transpose({2, 0, 1}).slice({{3, -1, -2}, {0, 2, 1}, {1, 3, 1}});
  CHECK(view.buffer() == array.buffer());
  CHECK(values<float>(view) == (std::vector<float>{7, 11, 19, 23, 5, 9, 17, 21}));
  CHECK(!view.reshape({8}).has_value());
  CHECK(view.contiguous().reshape({8}).has_value());
  CHECK(array.reshape({6, 4})->buffer() == array.buffer());
  CHECK(values<float>(array.slice({{1, 2, 1}, {0, 1, 1}, {0, 4, 3}}).broadcast_to({2, 1, 2})).size() == 4);
}

TEST_CASE(contiguous_copies_only_when_it_must) {
  const Array array = counting<std::int32_t>({3, 4}, DType::kInt32);
  CHECK(array.contiguous().buffer() == array.buffer());
  CHECK(array.copy().buffer() != array.buffer());
  const Array turned = array.transpose({1, 0}).contiguous();
  CHECK(turned.buffer() != array.buffer());
  CHECK(turned.is_contiguous());
  CHECK(values<std::int32_t>(turned) == (std::vector<std::int32_t>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
}

TEST_CASE(copies_are_right_for_every_item_size) {
  const std::vector<Slice> every_other = {{0, 3, 2}, {3, -1, -1}};
  CHECK(values<std::uint8_t>(counting<std::uint8_t>({3, 4}, DType::kBool).slice(every_other)) ==
        (std::vector<std::uint8_t>{3, 2, 1, 0, 11, 10, 9, 8}));
  CHECK(values<std::uint16_t>(counting<std::uint16_t>({3, 4}, DType::kBFloat16).slice(every_other)) ==
        (std::vector<std::uint16_t>{3, 2, 1, 0, 11, 10, 9, 8}));
  CHECK(values<std::int32_t>(counting<std::int32_t>({3, 4}, DType::kInt32).slice(every_other)) ==
        (std::vector<std::int32_t>{3, 2, 1, 0, 11, 10, 9, 8}));
  CHECK(values<std::int64_t>(counting<std::int64_t>({3, 4}, DType::kInt64).slice(every_other)) ==
        (std::vector<std::int64_t>{3, 2, 1, 0, 11, 10, 9, 8}));
}

TEST_CASE(copies_of_the_degenerate) {
  CHECK(values<float>(counting<float>({}, DType::kFloat32).copy()) == (std::vector<float>{0}));
  CHECK(values<float>(counting<float>({1, 1}, DType::kFloat32).copy()) == (std::vector<float>{0}));
  CHECK_EQUAL(counting<float>({0, 3}, DType::kFloat32).copy().size(), 0);
  const Array one = counting<float>({1}, DType::kFloat32);
  CHECK(values<float>(one.broadcast_to({2, 2}).copy()) == (std::vector<float>{0, 0, 0, 0}));
  // A stride that is never walked may be anything.
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  CHECK_EQUAL(Array(one.buffer(), DType::kFloat32, {{1}, {kMax}, 0}).copy().size(), 1);
  CHECK_EQUAL(Array(one.buffer(), DType::kFloat32, {{0, 2}, {1, kMax}, 0}).copy().size(), 0);
}

TEST_CASE(read_only_memory_hands_out_no_pointer_to_write) {
  float value = 1;
  const Array array(Buffer::borrow(&value, 4, true, nullptr), DType::kFloat32, {{}, {}, 0});
  CHECK(array.readonly());
  CHECK_THROWS(ShapeError, "read-only", array.mutable_data());
  CHECK(!array.copy().readonly());
}

TEST_CASE(dtypes_are_found_by_name_and_kind) {
  for (const DTypeInfo& row : kDTypes) {
    CHECK(dtype_from_name(row.name) == row.dtype);
    CHECK(dtype_from_kind(row.kind, row.itemsize) == row.dtype);
  }
  CHECK(!dtype_from_name("float64").has_value());
  CHECK(!dtype_from_kind(DTypeKind::kFloat, 8).has_value());
}
