// csrc/ops/norm.cpp: rows and vectors made contiguous where they must be, plans encoded.
#include "ops/norm.h"

#include <optional>

#include "ops/copy.h"

namespace isometal::ops {
namespace {

/// A contiguous form of an operand that may be absent.
class Vector {
 public:
  Vector(Dispatcher& dispatcher, const Array* given) {
    if (given != nullptr) array_ = contiguous(dispatcher, *given);
  }
  const Array* get() const { return array_ ? &*array_ : nullptr; }
  std::optional<DType> dtype() const { return array_ ? std::optional(array_->dtype()) : std::nullopt; }

 private:
  std::optional<Array> array_;
};

}  // namespace

Array norm(Dispatcher& dispatcher, launch::NormOp op, const Array& x, const Array* weight, const Array* bias,
           double eps) {
  const Array rows = launch::norm_reads(x.layout()) ? x : contiguous(dispatcher, x);
  const Vector factors(dispatcher, weight), addends(dispatcher, bias);
  Array out = dispatcher.empty(x.shape(), x.dtype());
  const launch::Plan plan = launch::norm(op, x.dtype(), rows.layout(), factors.dtype(), addends.dtype(),
                                         static_cast<float>(eps), dispatcher.choice(launch::Family::kNorm));
  dispatcher.encode(plan, {&rows, factors.get(), addends.get(), &out});
  return out;
}

Array rope(Dispatcher& dispatcher, launch::Rope rope, const Array& x, const Array* freqs,
           const Array* offsets) {
  const Vector wavelengths(dispatcher, freqs), starts(dispatcher, offsets);
  rope.has_freqs = freqs != nullptr;
  rope.has_offsets = offsets != nullptr;
  Array out = dispatcher.empty(x.shape(), x.dtype());
  const launch::Plan plan =
      launch::rope(rope, x.dtype(), x.layout(), dispatcher.choice(launch::Family::kRope));
  dispatcher.encode(plan, {&x, wavelengths.get(), starts.get(), &out});
  return out;
}

}  // namespace isometal::ops
