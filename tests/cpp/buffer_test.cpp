// tests/cpp/buffer_test.cpp: alignment, sizes, ownership.
#include "buffer.h"

#include <cstdint>
#include <cstring>
#include <limits>

#include "check.h"
#include "error.h"

using namespace isometal;

TEST_CASE(allocations_are_whole_pages) {
  for (const std::int64_t nbytes :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{16384}, std::int64_t{16385}}) {
    const auto buffer = Buffer::allocate(nbytes);
    CHECK_EQUAL(reinterpret_cast<std::uintptr_t>(buffer->data()) % kPageSize, 0U);
    CHECK_EQUAL(buffer->nbytes(), nbytes);
    CHECK_EQUAL(buffer->capacity(), nbytes <= 16384 ? 16384 : 32768);
    CHECK(!buffer->readonly() && !buffer->borrowed());
    // All of it is ours to write, under ASan too.
    std::memset(buffer->data(), 0x5a, static_cast<std::size_t>(buffer->capacity()));
  }
}

TEST_CASE(an_allocation_beyond_the_machine_is_refused) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS(AllocationError, "cannot allocate 9223372036854775807 bytes", Buffer::allocate(kMax));
  CHECK_THROWS(AllocationError, "cannot allocate", Buffer::allocate(kMax - 16384));
  CHECK_THROWS(ShapeError, "cannot allocate -1 bytes", Buffer::allocate(-1));
}

TEST_CASE(borrowed_memory_is_released_with_its_last_view) {
  int released = 0;
  int value = 7;
  {
    std::shared_ptr<void> owner(&value, [&released](void*) { ++released; });
    auto first = Buffer::borrow(&value, sizeof value, true, std::move(owner));
    auto second = first;
    CHECK(first->readonly() && first->borrowed());
    CHECK_EQUAL(first->capacity(), 4);
    first.reset();
    CHECK_EQUAL(released, 0);
    CHECK(second->data() == reinterpret_cast<std::byte*>(&value));
  }
  CHECK_EQUAL(released, 1);
}

TEST_CASE(borrowing_nothing_needs_no_address) {
  CHECK_EQUAL(Buffer::borrow(nullptr, 0, false, nullptr)->nbytes(), 0);
  CHECK_THROWS(ShapeError, "null address", Buffer::borrow(nullptr, 1, false, nullptr));
  CHECK_THROWS(ShapeError, "cannot borrow -1 bytes", Buffer::borrow(nullptr, -1, false, nullptr));
}

TEST_CASE(a_refused_borrow_still_releases) {
  int released = 0;
  CHECK_THROWS(ShapeError, "null address",
               Buffer::borrow(nullptr, 1, false,
                              std::shared_ptr<void>(&released, [&released](void*) { ++released; })));
  CHECK_EQUAL(released, 1);
}
