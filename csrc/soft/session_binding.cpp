// csrc/soft/session_binding.cpp: MetalSession for Python. Keeps the memory of command buffers in flight;
// calls run without the GIL, because kernels are compiled, and completion is waited for, on other threads
// that need it.
#include "soft/session_binding.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "metal_session.h"
#include "soft/error.h"
#include "soft/python_signals.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::soft {
namespace {

using Sizes = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
using Constants = std::map<std::uint32_t, std::pair<std::string, nb::bytes>>;

std::string to_string(const nb::bytes& bytes) {
  return {static_cast<const char*>(bytes.data()), bytes.size()};
}

/// Runs `call` without the GIL; a MetalError becomes isometal.soft.SoftDeviceError.
template <typename Call>
auto unlocked(Call call) {
  try {
    nb::gil_scoped_release release;
    return call();
  } catch (const MetalError& error) {
    throw SoftError(error.what());
  }
}

/// The memory of bound Python objects. Made and destroyed with the GIL.
class Views {
 public:
  Views() = default;
  ~Views() {
    for (Py_buffer& view : views_) PyBuffer_Release(&view);
  }
  Views(const Views&) = delete;
  Views& operator=(const Views&) = delete;

  MetalMemory add(std::uint32_t index, nb::handle object, std::size_t offset) {
    Py_buffer view;
    if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_WRITABLE) != 0) throw nb::python_error();
    views_.push_back(view);
    return {index, view.buf, static_cast<std::size_t>(view.len), offset};
  }

 private:
  std::vector<Py_buffer> views_;
};

MTL::Size to_size(const Sizes& sizes) {
  return MTL::Size(std::get<0>(sizes), std::get<1>(sizes), std::get<2>(sizes));
}

/// One launch as Python says it: see the signature of `submit`.
MetalLaunch to_launch(nb::handle item, Views& views) {
  std::tuple<std::size_t, std::vector<std::tuple<std::uint32_t, nb::object, std::size_t>>,
             std::vector<std::pair<std::uint32_t, nb::bytes>>,
             std::vector<std::pair<std::uint32_t, std::size_t>>, Sizes, Sizes, bool>
      parts;
  if (!nb::try_cast(item, parts)) {
    throw nb::type_error(
        "[soft] a launch is a tuple (pipeline, buffers, inline bytes, threadgroup lengths, grid, "
        "threadgroup, "
        "whether the grid counts threads).");
  }
  auto& [pipeline, buffers, inline_bytes, lengths, grid, threadgroup, grid_is_threads] = parts;
  MetalLaunch launch;
  launch.pipeline = pipeline;
  for (const auto& [index, object, offset] : buffers)
    launch.buffers.push_back(views.add(index, object, offset));
  for (const auto& [index, bytes] : inline_bytes) launch.inline_bytes.emplace_back(index, to_string(bytes));
  launch.threadgroup_lengths = lengths;
  launch.grid = to_size(grid);
  launch.threadgroup = to_size(threadgroup);
  launch.grid_is_threads = grid_is_threads;
  return launch;
}

class PythonSession {
 public:
  PythonSession() : session_(unlocked([] { return std::make_unique<MetalSession>(); })) {}
  ~PythonSession() {
    // Before the memory goes, and without the GIL, which the device may need to finish.
    nb::gil_scoped_release release;
    session_.reset();
  }
  PythonSession(const PythonSession&) = delete;
  PythonSession& operator=(const PythonSession&) = delete;

  std::string device_name() const { return session_->device_name(); }

  std::size_t load_library(const nb::bytes& metallib) {
    return unlocked([&, bytes = to_string(metallib)] { return session_->load_library(bytes); });
  }

  std::size_t compile_library(const std::string& source) {
    return unlocked([&] { return session_->compile_library(source); });
  }

  std::vector<std::string> function_names(std::size_t library) const {
    return unlocked([&] { return session_->function_names(library); });
  }

  std::size_t make_pipeline(std::size_t library, const std::string& function, const Constants& constants) {
    std::map<std::uint32_t, MetalConstant> values;
    for (const auto& [index, value] : constants) values[index] = {value.first, to_string(value.second)};
    return unlocked([&] { return session_->make_pipeline(library, function, values); });
  }

  std::size_t max_threads(std::size_t pipeline) const {
    return unlocked([&] { return session_->max_threads(pipeline); });
  }

  std::uint64_t submit(nb::list items) {
    auto views = std::make_unique<Views>();
    std::vector<MetalLaunch> launches;
    for (nb::handle item : items) launches.push_back(to_launch(item, *views));
    const std::uint64_t ticket = unlocked([&] { return session_->submit(launches); });
    views_[ticket] = std::move(views);
    return ticket;
  }

  std::tuple<std::string, std::int64_t, std::string, double> wait(std::uint64_t ticket) {
    const auto outcome = unlocked([&] { return session_->wait(ticket, signals_raised); });
    if (!outcome) throw nb::python_error();
    views_.erase(ticket);
    return {outcome->completed ? "completed" : "error", outcome->code, outcome->text, outcome->seconds};
  }

 private:
  std::map<std::uint64_t, std::unique_ptr<Views>> views_;  ///< by ticket
  std::unique_ptr<MetalSession> session_;
};

}  // namespace

void bind_session(nb::module_& m) {
  nb::class_<PythonSession>(m, "MetalSession",
                            "The Metal device through metal-cpp (csrc/metal_session.h): on this platform the "
                            "software device. Import\n"
                            "isometal.soft first: it brings the compiler. Libraries and pipelines are "
                            "numbers. What Metal refuses raises\n"
                            "SoftDeviceError; what goes wrong with a command buffer is its outcome.")
      .def(nb::init<>())
      .def_prop_ro("device_name", &PythonSession::device_name)
      .def_prop_ro_static(
          "page_bytes", [](nb::handle) { return MetalSession::page_bytes(); },
          "Buffers begin at a multiple of it and have a multiple of it as their size.")
      .def("load_library", &PythonSession::load_library, "metallib"_a)
      .def("compile_library", &PythonSession::compile_library, "source"_a)
      .def("function_names", &PythonSession::function_names, "library"_a)
      .def("make_pipeline", &PythonSession::make_pipeline, "library"_a, "function"_a, "constants"_a,
           nb::sig("def make_pipeline(self, library: int, function: str, constants: dict[int, tuple[str, "
                   "bytes]]) -> "
                   "int"),
           "constants: index to type in MSL and bytes.")
      .def("max_threads", &PythonSession::max_threads, "pipeline"_a, "Threads that a threadgroup may have.")
      .def("submit", &PythonSession::submit, "launches"_a,
           nb::sig(
               "def submit(self, launches: list[tuple[int, list[tuple[int, object, int]], list[tuple[int, "
               "bytes]], list[tuple[int, int]], tuple[int, int, int], tuple[int, int, int], bool]]) -> int"),
           "Commits a command buffer and returns its ticket at once. A launch is (pipeline, buffers as "
           "(index,\n"
           "writable object, offset), bytes for setBytes, threadgroup memory as (index, bytes), grid, "
           "threadgroup,\n"
           "whether the grid counts threads). The objects' memory is used in place and kept until wait().")
      .def("wait", &PythonSession::wait, "ticket"_a,
           "Waits for the command buffer: ('completed' or 'error', MTLCommandBufferError, its text, seconds "
           "on the device).\n\n"
           "KeyboardInterrupt (or what else a signal handler raises) ends the wait, not the command buffer: "
           "the "
           "ticket stays\n"
           "good, its memory is kept, and a session that goes still waits for it.");
}

}  // namespace isometal::soft
