// csrc/metal_bindings/metal.h: the Metal backend for Python: a class around the dispatcher, with the ops as
// methods. Arguments are in the canonical form that python/isometal/backends/base.py describes.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "dispatcher/dispatcher.h"

namespace isometal {

void bind_metal(nanobind::module_& m);

namespace bindings {

/// What Python holds. The dispatcher itself is shared with the arrays on its device. Whoever calls it
/// releases the GIL first: encoding waits for a lock whose holder may need it.
class Metal {
 public:
  /// `loader(family)` is the source of a kernel family, a str, or the path of a metallib.
  explicit Metal(nanobind::callable loader);

  Dispatcher& operator*() const { return *dispatcher_; }
  Dispatcher* operator->() const { return dispatcher_.get(); }

 private:
  std::shared_ptr<Dispatcher> dispatcher_;
};

// Each adds the ops of one file here to the class.
void bind_attention(nanobind::class_<Metal>& metal);
void bind_copy(nanobind::class_<Metal>& metal);
void bind_elementwise(nanobind::class_<Metal>& metal);
void bind_matmul(nanobind::class_<Metal>& metal);
void bind_norm(nanobind::class_<Metal>& metal);
void bind_reduce(nanobind::class_<Metal>& metal);
void bind_softmax(nanobind::class_<Metal>& metal);

}  // namespace bindings
}  // namespace isometal
