// dispatch/dispatch.h - the little of libdispatch that metal-cpp's signatures need: data to make a library
// of, and queues to name. Queues have an identity only: callbacks run on the device's own threads.
#pragma once

#include <cstddef>
#include <cstdint>

struct dispatch_data_s;
struct dispatch_queue_s;
struct dispatch_block_s;

using dispatch_data_t = dispatch_data_s*;
using dispatch_queue_t = dispatch_queue_s*;
using dispatch_block_t = const dispatch_block_s*;  ///< no code, only one of the constants below

/// The bytes are copied at once.
#define DISPATCH_DATA_DESTRUCTOR_DEFAULT (static_cast<dispatch_block_t>(nullptr))
/// The bytes come from malloc and are taken over.
#define DISPATCH_DATA_DESTRUCTOR_FREE (isometal_dispatch_data_free)
#define DISPATCH_QUEUE_PRIORITY_DEFAULT 0

extern const dispatch_block_t isometal_dispatch_data_free;

/// The caller owns the result and gives it up with dispatch_release.
dispatch_data_t dispatch_data_create(const void* buffer, std::size_t size, dispatch_queue_t queue,
                                     dispatch_block_t destructor);
std::size_t dispatch_data_get_size(dispatch_data_t data);

dispatch_queue_t dispatch_get_main_queue();
dispatch_queue_t dispatch_get_global_queue(std::intptr_t identifier, std::uintptr_t flags);

void dispatch_retain(dispatch_data_t data);
void dispatch_release(dispatch_data_t data);
