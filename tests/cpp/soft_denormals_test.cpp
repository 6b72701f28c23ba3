// tests/cpp/soft_denormals_test.cpp: the floating-point mode of kernels, on every OS thread, and of their
// callers.
#include "soft/denormals.h"

#include <chrono>
#include <thread>
#include <vector>

#include "check.h"
#include "soft/executor.h"
#include "soft_kernel.h"

using namespace isometal::soft;
using soft_test::region;
using soft_test::TestKernel;
using soft_test::Thread;
using Kind = abi::SiteKind;
using namespace std::chrono_literals;

namespace {

struct Denormal {
  float operand, result;
};
/// Whether a denormal operand and a denormal result are what they should be, not zero.
void make_denormals(const Thread& t) {
  std::this_thread::sleep_for(100us);
  const volatile float tiny = 1e-40f;
  const volatile float small = 1e-20f;
  t.buffer<Denormal>(0)[t.group.position[0]] = {tiny * 1e10f, small * small};
}

}  // namespace

TEST_CASE(denormals_are_flushed_where_the_kernel_asks) {
  const FloatMode::Register before = FloatMode::read();
  for (const bool flush : {false, true}) {
    TestKernel kernel("denormals");
    kernel.site(Kind::start, region<make_denormals>, abi::kFinished).flags(flush ? abi::kFlushDenormals : 0);
    const LoadedKernel loaded = kernel.load();
    // Whatever the caller's own mode is, and on the helpers' threads as well.
    for (const bool caller_flushes : {false, true}) {
      std::vector<Denormal> results(100);
      Dispatch dispatch;
      dispatch.kernel = &loaded;
      dispatch.buffers[0] = results.data();
      dispatch.grid.x = 100;
      dispatch.threads = 3;
      FloatMode::Register during = 0;
      FloatMode::Register asked = 0;
      FloatMode::Register after = 0;
      {
        const FloatMode mode = FloatMode::of_kernels(caller_flushes);
        during = FloatMode::read();
        dispatch.interrupted = [&asked] {
          asked = FloatMode::read();
          return false;
        };
        asked = during;
        run(dispatch);
        after = FloatMode::read();
      }
      // Exception flags aside, which arithmetic raises.
      constexpr FloatMode::Register kControl = ~FloatMode::Register{0x3F};
      CHECK_EQUAL(after & kControl, during & kControl);
      CHECK_EQUAL(asked & kControl, during & kControl);
      int flushed_operands = 0;
      int flushed_results = 0;
      for (const Denormal& one : results) {
        flushed_operands += one.operand == 0 ? 1 : 0;
        flushed_results += one.result == 0 ? 1 : 0;
      }
      const int expected = flush && FloatMode::kFlush != 0 ? 100 : 0;
      CHECK_EQUAL(flushed_operands, expected);
      CHECK_EQUAL(flushed_results, expected);
    }
  }
  CHECK_EQUAL(FloatMode::read() & 0xFFC0, before & 0xFFC0);
}

TEST_CASE(the_float_mode_is_restored_after_a_failure) {
  TestKernel kernel("fails");
  kernel.site(Kind::start, region<soft_test::nothing>, abi::kFinished).flags(abi::kFlushDenormals);
  const LoadedKernel loaded = kernel.load();
  struct Throwing : Observer {
    FloatMode::Register seen = 0;
    void threadgroup_end(const abi::Threadgroup&) override {
      seen = FloatMode::read();
      throw std::runtime_error("stop");
    }
  } observer;
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.observer = &observer;
  const FloatMode::Register before = FloatMode::read();
  bool caught = false;
  try {
    run(dispatch);
  } catch (const std::runtime_error&) {
    caught = true;
  }
  CHECK(caught);
  CHECK_EQUAL(observer.seen & FloatMode::kFlush, FloatMode::kFlush);
  CHECK_EQUAL(FloatMode::read() & FloatMode::kFlush, before & FloatMode::kFlush);
}
