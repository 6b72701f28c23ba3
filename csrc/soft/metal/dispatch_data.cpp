// csrc/soft/metal/dispatch_data.cpp: the subset of libdispatch.
#include "soft/metal/dispatch_data.h"

#include <cstdlib>
#include <cstring>
#include <new>

struct dispatch_queue_s {};
struct dispatch_block_s {};

namespace {

dispatch_queue_s main_queue;
dispatch_queue_s global_queue;
const dispatch_block_s free_block;

}  // namespace

const dispatch_block_t isometal_dispatch_data_free = &free_block;

dispatch_data_t dispatch_data_create(const void* buffer, std::size_t size, dispatch_queue_t,
                                     dispatch_block_t destructor) {
  const void* bytes = buffer;
  if (destructor != isometal_dispatch_data_free) {
    void* const copy = std::malloc(size > 0 ? size : 1);
    if (copy == nullptr) throw std::bad_alloc();
    if (size > 0) std::memcpy(copy, buffer, size);
    bytes = copy;
  }
  auto* const data = new dispatch_data_s;
  data->bytes = {static_cast<const std::byte*>(bytes), size};
  return data;
}

std::size_t dispatch_data_get_size(dispatch_data_t data) {
  return data->bytes.size();
}

dispatch_queue_t dispatch_get_main_queue() {
  return &main_queue;
}

dispatch_queue_t dispatch_get_global_queue(std::intptr_t, std::uintptr_t) {
  return &global_queue;
}

void dispatch_retain(dispatch_data_t data) {
  data->owners.fetch_add(1, std::memory_order_relaxed);
}

void dispatch_release(dispatch_data_t data) {
  if (data->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  std::free(const_cast<std::byte*>(data->bytes.data()));
  delete data;
}
