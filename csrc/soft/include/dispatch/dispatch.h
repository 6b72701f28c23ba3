// dispatch/dispatch.h - the little of libdispatch that metal-cpp's signatures need: data to make a library of,
// and queues to name. Queues only have an identity here: callbacks run on the device's own threads.
#pragma once

#include <cstddef>
#include <cstdint>

struct dispatch_data_s;
struct dispatch_queue_s;

using dispatch_data_t = dispatch_data_s*;
using dispatch_queue_t = dispatch_queue_s*;

/// What becomes of the bytes that dispatch_data_create is given: the default copies them at once; FREE takes them
/// over and frees them at the end.
enum dispatch_data_destructor_t : int { ISOMETAL_DISPATCH_DATA_COPY = 0, ISOMETAL_DISPATCH_DATA_FREE = 1 };

#define DISPATCH_DATA_DESTRUCTOR_DEFAULT ISOMETAL_DISPATCH_DATA_COPY
#define DISPATCH_DATA_DESTRUCTOR_FREE ISOMETAL_DISPATCH_DATA_FREE
#define DISPATCH_QUEUE_PRIORITY_DEFAULT 0

/// The caller owns the result and gives it up with dispatch_release.
dispatch_data_t dispatch_data_create(const void* buffer, std::size_t size, dispatch_queue_t queue,
                                     dispatch_data_destructor_t destructor);
std::size_t dispatch_data_get_size(dispatch_data_t data);

dispatch_queue_t dispatch_get_main_queue();
dispatch_queue_t dispatch_get_global_queue(std::intptr_t identifier, std::uintptr_t flags);

void dispatch_retain(dispatch_data_t data);
void dispatch_release(dispatch_data_t data);
/// The two queues above are never destroyed.
void dispatch_retain(dispatch_queue_t queue);
void dispatch_release(dispatch_queue_t queue);
