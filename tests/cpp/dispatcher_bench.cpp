// tests/cpp/dispatcher_bench.cpp: what a small op costs the host in C++: planning, memory and encoding, by
// family of kernels, in nanoseconds of the calling thread's CPU time. The kernels are empty and without
// arguments, so that the device has nothing to check and next to nothing to run. Run it by hand; it asserts
// nothing.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>

#include "dispatcher/dispatcher.h"
#include "ops/attention.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "soft/compile_service.h"

namespace {

using namespace isometal;

constexpr int kCalls = 200, kRepeats = 300;

/// Those that the calls below come to.
const std::vector<std::string> kKernels{
    // One kernel per line, sorted.
    "attention_sdpa_float32_tile_32",
    "binary_add_float32_flat",
    "binary_add_float32_strided",
    "copy_uint32_strided",
    "gemm_float32_32x32x16",
    "gemv_float32_rows",
    "mask_causal_float32",
    "norm_layer_norm_float32_row_lanes",
    "norm_rms_norm_float32_row_lanes",
    "reduce_sum_float32_row_simd",
    "rope_float32",
    "softmax_float32_row_simdgroup",
    "unary_silu_float32_flat",
};

class EmptyKernels final : public soft::CompileService {
 public:
  soft::OpenedLibrary open_metallib(std::span<const std::byte>, const std::string&) override { return {}; }
  soft::OpenedLibrary open_source(const std::string&, const soft::SourceOptions&) override {
    return {0, kKernels, ""};
  }
  soft::OpenedLibrary open_default() override { return {}; }
  std::vector<soft::FunctionConstant> function_constants(soft::LibraryId, const std::string&) override {
    return {};
  }
  soft::CompiledKernel compile(const soft::CompileRequest& request) override {
    static constexpr soft::abi::Site kOnly{
        [](const soft::abi::Threadgroup*, const soft::abi::Span*, void*, std::uint16_t*) {}, nullptr,
        soft::abi::SiteKind::start, soft::abi::kFinished, 0};
    static constexpr soft::abi::Kernel kKernel{soft::abi::kVersion, 1, 0, 0, 0, 0, &kOnly};
    soft::KernelReflection reflection;
    reflection.name = request.function;
    return {&kKernel, reflection, std::make_shared<int>()};
  }
  void close(soft::LibraryId) noexcept override {}
};

double thread_nanoseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return 1e9 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec);
}

void report(const char* what, Dispatcher& dispatcher, const std::function<Array()>& call) {
  double best = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    dispatcher.synchronize();
    const double start = thread_nanoseconds();
    for (int i = 0; i < kCalls; ++i) call();
    best = std::min(best, (thread_nanoseconds() - start) / kCalls);
  }
  std::printf("%-12s %6.0f ns\n", what, best);
}

}  // namespace

int main() {
  soft::set_compile_service(std::make_shared<EmptyKernels>());
  const auto dispatcher = Dispatcher::create(
      [](std::string_view, bool) { return KernelCode{KernelCode::Form::kSource, "kernels"}; },
      Dispatcher::Interrupt());
  Dispatcher& device = *dispatcher;
  const auto array = [&](const Dims& shape) { return device.empty(shape, DType::kFloat32); };
  const Array x = array({16}), rows = array({16, 16}), heads = array({1, 4, 16, 16});
  const Array turned = rows.transpose({1, 0});
  launch::Rope rope;
  rope.dims = 16;
  rope.offset = 3;

  report("add", device, [&] { return ops::binary(device, launch::BinaryOp::kAdd, x, x); });
  report("add, rows", device, [&] { return ops::binary(device, launch::BinaryOp::kAdd, rows, x); });
  report("silu", device, [&] { return ops::unary(device, launch::UnaryOp::kSilu, x); });
  report("copy", device, [&] { return ops::copy(device, turned); });
  report("causal_mask", device, [&] { return ops::causal_mask(device, 16, 16, DType::kFloat32); });
  report("matmul", device, [&] { return ops::matmul(device, rows, rows); });
  report("matvec", device, [&] { return ops::matmul(device, rows, x); });
  report("softmax", device, [&] { return ops::softmax(device, rows, {1}); });
  report("rms_norm", device,
         [&] { return ops::norm(device, launch::NormOp::kRms, rows, &x, nullptr, 1e-5); });
  report("layer_norm", device, [&] { return ops::norm(device, launch::NormOp::kLayer, rows, &x, &x, 1e-5); });
  report("rope", device, [&] { return ops::rope(device, rope, heads, nullptr, nullptr); });
  report("sum", device, [&] { return ops::reduce(device, launch::ReduceOp::kSum, rows, {1}, false); });
  report("attention", device, [&] {
    return ops::attention(device, heads, heads, heads, 0.25f, launch::AttentionMask::kNone, nullptr);
  });
}
