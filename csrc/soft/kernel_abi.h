// csrc/soft/kernel_abi.h - the border between generated kernels and the executor.
// python/isometal/soft/lower/abi.py writes the same structures as LLVM IR; tests/soft/test_abi.py compares
// the two.
//
// A kernel is not one function but a list of *sites*: points at which a thread may have to wait for others.
// Site 0 is the kernel's entry. Each site has a *region*: the code from there to the next sites. What a
// thread needs beyond a site is kept in its simdgroup's *frame*, one column per lane. So a thread that waits
// costs no stack, a simdgroup that runs together is one loop over lanes (which LLVM vectorises), and the
// executor is plain C++ without a line of assembly.
//
// Sites are numbered in reverse post-order: a smaller number is earlier in the program. A simdgroup always
// goes on with the earliest site at which one of its lanes is, which is where diverged lanes meet again.
#pragma once

#include <cstddef>
#include <cstdint>

namespace isometal::soft::abi {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kLanes = 32;
inline constexpr std::uint32_t kArguments = 31;     ///< buffer and threadgroup bindings, as on Apple GPUs
inline constexpr std::uint16_t kFinished = 0xFFFF;  ///< `next` of a thread that returned
inline constexpr std::uint16_t kSeveral =
    0xFFFE;  ///< `successor` of a region that stores `next` for each lane

struct MemoryObserver;

/// What all threads of a threadgroup share. Vectors have a fourth element so that each is one aligned load.
struct Threadgroup {
  void* const* buffers;                ///< kArguments addresses; an unbound one points at readable zeros
  void* const* threadgroup_arguments;  ///< kArguments addresses of [[threadgroup(n)]] memory
  unsigned char* threadgroup_memory;   ///< the kernel's own threadgroup variables
  const MemoryObserver* observer;      ///< used by kernels compiled for observation only
  std::uint32_t position[4];           ///< threadgroup_position_in_grid
  std::uint32_t size[4];               ///< threads_per_threadgroup: smaller at the edge of a non-uniform grid
  std::uint32_t dispatch_size[4];      ///< dispatch_threads_per_threadgroup
  std::uint32_t grid_threads[4];       ///< threads_per_grid
  std::uint32_t grid_threadgroups[4];  ///< threadgroups_per_grid
  std::uint32_t simdgroups;            ///< simdgroups_per_threadgroup
  std::uint32_t dispatch_simdgroups;   ///< dispatch_simdgroups_per_threadgroup
};

/// Threads that run one after the other in a row: thread_index_in_threadgroup `thread` to `thread + count -
/// 1`, all with the same y and z and with x counting up from `x`. Only the region of site 0 reads x, y, z.
/// The lane is thread % kLanes. Unless the kernel has one site only, a span lies within one simdgroup.
struct Span {
  std::uint32_t thread;
  std::uint32_t count;
  std::uint32_t x, y, z;
};

/// Runs the region of a site for a span. `frame` and `next` belong to the simdgroup; `next` has kLanes
/// elements and is written only where the site's successor is kSeveral.
using Run = void (*)(const Threadgroup*, const Span*, void* frame, std::uint16_t* next);

/// The work that lanes do together at a site (simd_sum, shuffles, matrix products): bit i of `mask` is lane
/// i. It runs before the region does, once for all lanes that are released together.
using Operation = void (*)(void* frame, std::uint32_t mask);

enum class SiteKind : std::uint16_t {
  start = 0,
  join = 1,         ///< lanes only meet again here; nobody waits
  simdgroup = 2,    ///< the lanes of a simdgroup that come here together do so as one
  threadgroup = 3,  ///< threadgroup_barrier: released when every unfinished thread of the threadgroup is here
};

struct Site {
  Run run;
  Operation operation;  ///< null where nothing is done together
  SiteKind kind;
  std::uint16_t successor;     ///< the next site of every thread, kFinished, or kSeveral
  std::uint32_t memory_flags;  ///< mem_flags of a barrier: 1 device, 2 threadgroup
};

inline constexpr std::uint32_t kFlushDenormals = 1;  ///< flag: AIR was compiled with denorms_disable
inline constexpr std::uint32_t kObserved = 2;  ///< flag: loads and stores report to Threadgroup::observer

struct Kernel {
  std::uint32_t version;
  std::uint32_t site_count;
  std::uint64_t frame_bytes;        ///< of one simdgroup; aligned to 64
  std::uint64_t threadgroup_bytes;  ///< of the kernel's own threadgroup variables; aligned to 128
  std::uint32_t flags;
  std::uint32_t reserved;
  const Site* sites;
};

/// Called by kernels that were compiled for observation, before each access. `space`: 1 device, 2 constant,
/// 3 threadgroup. `access` numbers the instruction; the kernel's reflection maps it to text and source line.
/// The return value is the address to use instead: a checker can keep a wild access from doing harm.
struct MemoryObserver {
  void* self;
  void* (*load)(void* self, void* address, std::uint64_t bytes, std::uint32_t space, std::uint32_t access,
                std::uint32_t thread);
  void* (*store)(void* self, void* address, std::uint64_t bytes, std::uint32_t space, std::uint32_t access,
                 std::uint32_t thread);
};

static_assert(sizeof(Threadgroup) == 120 && sizeof(Span) == 20 && sizeof(Site) == 24 && sizeof(Kernel) == 40);

}  // namespace isometal::soft::abi
