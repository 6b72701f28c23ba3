// csrc/soft/metal/device.h: the one device of the process.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "soft/kernel_abi.h"
#include "soft/metal/access.h"
#include "soft/metal/serial_thread.h"

namespace isometal::soft {

inline constexpr std::size_t kMaxBindings = abi::kArguments;
inline constexpr std::size_t kMaxSetBytes = 4096;

class DeviceImpl final : public MTL::Device {
 public:
  DeviceImpl();

  NS::String* name_object() const { return name_.get(); }
  MTL::Architecture* architecture_object() const { return architecture_.get(); }

  /// Runs on the thread on which libraries and pipelines with a completion handler are made.
  void compile_later(std::function<void()> task) { compiler_.post(std::move(task)); }

  /// Calls what waits for shared events.
  void notify_later(std::function<void()> task) { notifier_.post(std::move(task)); }

  /// Counts what moves on any queue, so that a wait can tell whether it waits for something.
  std::atomic<std::uint64_t> progress{0};
  std::atomic<std::uint64_t> running{0};
  std::atomic<bool> maximize_compilation{false};

 private:
  NS::SharedPtr<NS::String> name_;
  NS::SharedPtr<MTL::Architecture> architecture_;
  SerialThread compiler_;
  SerialThread notifier_;
};

/// Never destroyed.
DeviceImpl& the_device();

}  // namespace isometal::soft
