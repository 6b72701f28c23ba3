// tests/cpp/foreign_test.cpp: what becomes of memory that a producer describes.
#include "foreign.h"

#include <cstdint>
#include <cstring>
#include <limits>

#include "check.h"
#include "error.h"

using namespace isometal;

namespace {

/// Sixteen floats, 0 to 15, described as `shape` with `byte_strides` from byte `start` on.
struct Producer {
  alignas(16) float values[16];
  int released = 0;

  Producer() {
    for (int i = 0; i < 16; ++i) values[i] = static_cast<float>(i);
  }

  Foreign describe(Dims shape, Dims byte_strides, std::ptrdiff_t start = 0) {
    Foreign foreign;
    foreign.first = reinterpret_cast<std::byte*>(values) + start;
    foreign.shape = std::move(shape);
    foreign.byte_strides = std::move(byte_strides);
    foreign.itemsize = 4;
    foreign.dtype = DType::kFloat32;
    foreign.owner = std::shared_ptr<void>(values, [this](void*) { ++released; });
    return foreign;
  }
};

float at(const Array& array, std::ptrdiff_t i) {
  float value;
  std::memcpy(&value, array.data() + i * array.strides()[0] * 4, 4);
  return value;
}

}  // namespace

TEST_CASE(adopted_memory_is_shared_and_bounded_by_its_reach) {
  Producer producer;
  {
    const Array array = adopt(producer.describe({3}, {-8}, 32), DType::kFloat32, CopyMode::kNever);
    CHECK(array.buffer()->borrowed());
    CHECK_EQUAL(array.buffer()->nbytes(), 20);
    CHECK_EQUAL(array.offset(), 4);
    CHECK_EQUAL(at(array, 0), 8.0F);
    CHECK_EQUAL(at(array, 2), 4.0F);
    CHECK_EQUAL(producer.released, 0);
  }
  CHECK_EQUAL(producer.released, 1);
}

TEST_CASE(copy_always_releases_the_producer_at_once) {
  Producer producer;
  Foreign foreign = producer.describe({4}, {4});
  foreign.readonly = true;
  const Array array = adopt(std::move(foreign), DType::kFloat32, CopyMode::kAlways);
  CHECK(!array.buffer()->borrowed() && !array.readonly());
  CHECK_EQUAL(producer.released, 1);
  CHECK_EQUAL(at(array, 3), 3.0F);
}

TEST_CASE(misaligned_memory_is_copied_or_refused) {
  Producer producer;
  const auto shifted = [&producer] {
    std::memmove(reinterpret_cast<std::byte*>(producer.values) + 1, producer.values, 12);
    return producer.describe({3}, {4}, 1);
  };
  CHECK_THROWS(ShapeError, "copy=False, but the memory is not aligned",
               adopt(shifted(), DType::kFloat32, CopyMode::kNever));
  CHECK_EQUAL(producer.released, 1);
  Producer again;
  std::memmove(reinterpret_cast<std::byte*>(again.values) + 1, again.values, 12);
  const Array copied = adopt(again.describe({3}, {4}, 1), DType::kFloat32, CopyMode::kIfNeeded);
  CHECK_EQUAL(at(copied, 2), 2.0F);
  CHECK(!copied.buffer()->borrowed());
}

TEST_CASE(strides_between_elements_are_copied_or_refused) {
  Producer producer;
  CHECK_THROWS(ShapeError, "byte strides (6,) are not whole elements",
               adopt(producer.describe({2}, {6}), DType::kFloat32, CopyMode::kNever));
  CHECK_EQUAL(adopt(producer.describe({2}, {6}), DType::kFloat32, CopyMode::kIfNeeded).size(), 2);
}

TEST_CASE(a_copy_by_the_producer_breaks_copy_never) {
  Producer producer;
  Foreign foreign = producer.describe({2}, {4});
  foreign.copied = true;
  CHECK_THROWS(ShapeError, "the producer copied",
               adopt(std::move(foreign), DType::kFloat32, CopyMode::kNever));
}

TEST_CASE(hostile_descriptions_are_refused) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  Producer producer;
  const auto adopted = [](Foreign foreign) {
    return adopt(std::move(foreign), DType::kFloat32, CopyMode::kIfNeeded);
  };
  CHECK_THROWS(ShapeError, "negative dimension", adopted(producer.describe({-1}, {4})));
  CHECK_THROWS(ShapeError, "too many elements", adopted(producer.describe({kMax, kMax}, {4, 4})));
  CHECK_THROWS(ShapeError, "beyond 64 bits", adopted(producer.describe({3}, {kMax - 3})));
  CHECK_THROWS(ShapeError, "beyond 64 bits", adopted(producer.describe({3}, {kMax})));
  CHECK_THROWS(ShapeError, "at most 32", adopted(producer.describe(Dims(33, 1), Dims(33, 4))));
  Foreign null = producer.describe({2}, {4});
  null.first = nullptr;
  CHECK_THROWS(ShapeError, "null address", adopted(std::move(null)));
}

TEST_CASE(empty_foreign_arrays_may_describe_anything) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  Producer producer;
  Foreign foreign = producer.describe({0, 5}, {kMax, 3}, 1);
  foreign.first = nullptr;
  const Array array = adopt(std::move(foreign), DType::kFloat32, CopyMode::kNever);
  CHECK_EQUAL(array.size(), 0);
  CHECK(array.is_contiguous());
  CHECK_EQUAL(array.copy().size(), 0);
}
