// tests/cpp/soft_rules_test.cpp: the rules of a dispatch one by one, on a request that obeys them all. That
// encoders and Python's kernels ask them is for their own tests.
#include <array>
#include <cstddef>
#include <functional>
#include <string>

#include "check.h"
#include "soft/dispatch_rules.h"

using namespace isometal::soft;

namespace {

ArgumentReflection buffer(std::string name, std::uint32_t index, ArgumentAccess access) {
  return {
      std::move(name), "float4", ArgumentKind::buffer, access, AddressSpace::device, index, 16, 16, 16, true};
}

/// Buffers 0 (in) and 2 (out), threadgroup 1 (tile), and a built-in value.
struct Case {
  alignas(16) std::array<std::byte, 64> memory{};
  KernelReflection kernel;
  ThreadgroupLimits limits;
  DispatchRequest request;

  Case() {
    kernel.name = "k";
    kernel.arguments = {buffer("in", 0, ArgumentAccess::read), buffer("out", 2, ArgumentAccess::read_write),
                        buffer("tile", 1, ArgumentAccess::read_write),
                        buffer("at", 99, ArgumentAccess::read)};
    kernel.arguments[2].kind = ArgumentKind::threadgroup;
    kernel.arguments[3].kind = ArgumentKind::builtin;
    kernel.static_threadgroup_bytes = 1024;
    limits = ThreadgroupLimits::of(kernel);
    request.buffers[0] = {true, memory.data(), 32, 0, "read-only memory"};
    request.buffers[2] = {true, memory.data() + 32, 64, 32};
    request.threadgroup_lengths[1] = 32;
    request.grid = Extent{100, 1, 1};
    request.threadgroup = {32, 2, 1};
  }
};

std::string verdict(const std::function<void(Case&)>& change) {
  Case changed;
  change(changed);
  return check_dispatch(changed.kernel, changed.limits, changed.request);
}

}  // namespace

TEST_CASE(a_request_that_obeys_all_rules_passes) {
  CHECK_EQUAL(verdict([](Case&) {}), "");
  CHECK_EQUAL(verdict([](Case& c) { c.request.grid.reset(); }), "");
  CHECK_EQUAL(verdict([](Case& c) { c.request.grid = Extent{0xFFFFFFFF, 1, 0xFFFFFFFF}; }), "");
  CHECK_EQUAL(verdict([](Case& c) { c.request.threadgroup = {1, 1, 1024}; }), "");
  CHECK_EQUAL(verdict([](Case& c) { c.request.threadgroup_lengths[1] = 32768 - 1024; }), "");
  // What the kernel does not use, and what it does not have, is of no interest.
  CHECK_EQUAL(verdict([](Case& c) {
                c.kernel.arguments[0].used = false;
                c.request.buffers[0] = {};
                c.request.buffers[7] = {true, c.memory.data() + 1, 0, 0, "read-only memory"};
              }),
              "");
  CHECK_EQUAL(verdict([](Case& c) { c.kernel.arguments[0].alignment = 0; }), "");
}

TEST_CASE(all_that_is_missing_is_named_at_once) {
  const std::string text = verdict([](Case& c) {
    c.request.buffers[0] = {};
    c.request.buffers[2].bytes = 40;  // too small as well
    c.request.threadgroup_lengths[1] = 0;
  });
  CHECK_EQUAL(
      text,
      "kernel 'k': nothing is bound to buffer 0 (in), threadgroup 1 (tile); every argument that it uses "
      "needs a value.");
}

TEST_CASE(bound_memory_fits_its_argument) {
  const std::string out = "kernel 'k', buffer 2 (out) of type float4: ";
  CHECK_EQUAL(verdict([](Case& c) { c.request.buffers[2].bytes = 47; }),
              out + "15 bytes (47 from offset 32); at least 16 are needed.");
  CHECK_EQUAL(verdict([](Case& c) { c.request.buffers[2] = {true, nullptr, 0, 0}; }),
              out + "0 bytes; at least 16 are needed.");
  CHECK_EQUAL(verdict([](Case& c) { c.request.buffers[2] = {true, c.memory.data() + 8, 64, 8}; }),
              out + "bound at offset 8; a multiple of 16 is needed.");
  CHECK_EQUAL(
      verdict([](Case& c) { c.request.buffers[2] = {true, c.memory.data() + 8, 56, 0}; }),
      out +
          "memory at an address that is no multiple of 16, the alignment of its type; pass aligned memory.");
  CHECK_EQUAL(verdict([](Case& c) { c.request.buffers[2].read_only = "what setBytes copied"; }),
              out + "what setBytes copied, but the kernel writes to it; pass memory that can be written to.");
  CHECK_EQUAL(verdict([](Case& c) {
                c.kernel.arguments[1].name.clear();
                c.request.buffers[2].bytes = 32;
              }),
              "kernel 'k', buffer 2 of type float4: 0 bytes (32 from offset 32); at least 16 are needed.");
  CHECK_EQUAL(verdict([](Case& c) { c.kernel.arguments[1].index = 31; }),
              "kernel 'k': buffer 31 (out); indices end at 30.");
}

TEST_CASE(threadgroup_memory_has_steps_and_an_end) {
  const std::string tile = "kernel 'k', threadgroup 1 (tile) of type float4: ";
  CHECK_EQUAL(verdict([](Case& c) { c.kernel.arguments[2].required_bytes = 48; }),
              tile + "32 bytes; at least 48 are needed.");
  CHECK_EQUAL(verdict([](Case& c) { c.request.threadgroup_lengths[1] = 40; }),
              tile + "40 bytes; a multiple of 16 is needed.");
  CHECK_EQUAL(verdict([](Case& c) { c.request.threadgroup_lengths[1] = std::uint64_t{1} << 60; }),
              tile + "1152921504606846976 bytes; a threadgroup has at most 32768.");
  const std::string sum = " of arguments; at most 32768 in all are possible.";
  CHECK_EQUAL(verdict([](Case& c) { c.request.threadgroup_lengths[1] = 31760; }),
              "kernel 'k': 1024 bytes of its own threadgroup memory and 31760" + sum);
  // Also where no argument uses it.
  CHECK_EQUAL(verdict([](Case& c) { c.request.threadgroup_lengths[5] = 32768; }),
              "kernel 'k': 1024 bytes of its own threadgroup memory and 32800" + sum);
}

TEST_CASE(grids_and_threadgroups_have_limits) {
  CHECK_EQUAL(verdict([](Case& c) { c.request.grid = Extent{4, 0, 1}; }),
              "kernel 'k': a grid of 4x0x1; sizes from 1 to 2^32 - 1 are possible.");
  CHECK_EQUAL(verdict([](Case& c) { c.request.grid = Extent{1, 1, std::uint64_t{1} << 32}; }),
              "kernel 'k': a grid of 1x1x4294967296; sizes from 1 to 2^32 - 1 are possible.");
  CHECK_EQUAL(verdict([](Case& c) { c.request.threadgroup = {8, 0, 1}; }),
              "kernel 'k': a threadgroup of 8x0x1 threads; no size may be 0.");
  // A product that wraps around to 0.
  CHECK_EQUAL(
      verdict([](Case& c) { c.request.threadgroup = {std::uint64_t{1} << 32, std::uint64_t{1} << 32, 1}; }),
      "kernel 'k': a threadgroup of 4294967296x4294967296x1 threads; at most 1024 in all are possible.");
  CHECK_EQUAL(verdict([](Case& c) {
                c.kernel.max_threads_per_threadgroup = 63;
                c.limits = ThreadgroupLimits::of(c.kernel);
              }),
              "kernel 'k': a threadgroup of 32x2x1 threads; at most 63 in all are possible.");
  CHECK_EQUAL(ThreadgroupLimits::of({"k", {}, 4096, 0, {}}).most, std::uint64_t{1024});
}

TEST_CASE(a_pipeline_may_narrow_the_limits) {
  CHECK_EQUAL(verdict([](Case& c) {
                c.limits.multiple_of_simdgroup = true;
                c.request.threadgroup = {16, 3, 1};
              }),
              "kernel 'k': a threadgroup of 16x3x1 threads; the pipeline was made for multiples of 32 "
              "(threadGroupSizeIsMultipleOfThreadExecutionWidth).");
  CHECK_EQUAL(verdict([](Case& c) { c.limits.required = {2, 32, 1}; }),
              "kernel 'k': a threadgroup of 32x2x1 threads; the pipeline was made for 2x32x1 "
              "(requiredThreadsPerThreadgroup).");
  CHECK_EQUAL(verdict([](Case& c) { c.limits.required = {32, 2, 1}; }), "");
}
