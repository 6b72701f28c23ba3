// csrc/device_memory.h: what host code must know of memory that a device also uses.
#pragma once

namespace isometal {

class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// Returns when all that was asked of the device has been written. Throws BackendError where it failed.
  virtual void wait() = 0;

  /// The device's own object for the memory: an MTL::Buffer*, to Objective-C an id<MTLBuffer>. Lives as long
  /// as this one.
  virtual void* handle() const = 0;

 protected:
  DeviceMemory() = default;
};

}  // namespace isometal
