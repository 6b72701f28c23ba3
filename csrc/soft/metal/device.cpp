// csrc/soft/metal/device.cpp: what the device is and can do.
#include "soft/metal/device.h"

#include <algorithm>
#include <chrono>

#include "soft/dispatch_rules.h"
#include "soft/error.h"
#include "soft/grid.h"
#include "soft/metal/buffer.h"
#include "soft/metal/machine.h"
#include "soft/metal/settings.h"
#include "soft/validation.h"

namespace isometal::soft {
namespace {

class ArchitectureImpl final : public MTL::Architecture {};

/// "isometal" in ASCII: no registry has given this number.
constexpr std::uint64_t kRegistryId = 0x69736F6D6574616C;

/// A device that ignored what the environment asks for would run something else than its user thinks.
bool environment_is_valid() {
  try {
    device_settings();
    return true;
  } catch (const SoftError& error) {
    report_failure_quietly(error.what());
    return false;
  }
}

}  // namespace

DeviceImpl::DeviceImpl() : architecture_(NS::TransferPtr(MTL::Architecture::alloc()->init())) {
  std::ostringstream name;
  name << "isometal software Metal device (CPU " << cpu_name() << ")";
  name_ = NS::TransferPtr(NS::String::alloc()->init(name.str().c_str(), NS::UTF8StringEncoding));
  make_immortal();
}

DeviceImpl& the_device() {
  static DeviceImpl* const instance = new DeviceImpl;
  return *instance;
}

}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

Device* CreateSystemDefaultDevice() {
  return environment_is_valid() ? the_device().retain() : nullptr;
}

NS::Array* CopyAllDevices() {
  const NS::Object* devices[] = {&the_device()};
  return NS::Array::alloc()->init(devices, environment_is_valid() ? 1 : 0);
}

Architecture* Architecture::alloc() {
  return new ArchitectureImpl;
}

Architecture* Architecture::init() {
  return this;
}

NS::String* Architecture::name() const {
  return make_string("isometal-software-" + cpu_architecture());
}

NS::String* Device::name() const {
  return impl_of<DeviceImpl>(this).name_object();
}

Architecture* Device::architecture() const {
  return impl_of<DeviceImpl>(this).architecture_object();
}

std::uint64_t Device::registryID() const {
  return kRegistryId;
}

DeviceLocation Device::location() const {
  return DeviceLocationBuiltIn;
}

NS::UInteger Device::locationNumber() const {
  return 0;
}

bool Device::isHeadless() const {
  return true;
}

bool Device::isLowPower() const {
  return false;
}

bool Device::isRemovable() const {
  return false;
}

bool Device::hasUnifiedMemory() const {
  return true;
}

bool Device::supportsFamily(MTL::GPUFamily gpuFamily) {
  const auto families = device_settings().claimed_families;
  return std::find(families.begin(), families.end(), gpuFamily) != families.end();
}

bool Device::supports32BitFloatFiltering() const {
  return false;
}

bool Device::supportsDynamicLibraries() const {
  return false;
}

bool Device::supportsFunctionPointers() const {
  return false;
}

bool Device::supportsRaytracing() const {
  return false;
}

ArgumentBuffersTier Device::argumentBuffersSupport() const {
  // gpuAddress is an address that kernels can follow, which is what tier 2 is about.
  return ArgumentBuffersTier2;
}

ReadWriteTextureTier Device::readWriteTextureSupport() const {
  return ReadWriteTextureTierNone;
}

NS::UInteger Device::currentAllocatedSize() const {
  return allocated_bytes_of_device();
}

NS::UInteger Device::maxBufferLength() const {
  // As on Apple GPUs, a share of the memory, and whole pages.
  return physical_memory() / 2 / page_size() * page_size();
}

NS::UInteger Device::maxThreadgroupMemoryLength() const {
  return kMaxThreadgroupMemory;
}

Size Device::maxThreadsPerThreadgroup() const {
  return Size(kMaxThreads, kMaxThreads, kMaxThreads);
}

std::uint64_t Device::maxTransferRate() const {
  return 0;
}

NS::UInteger Device::maximumConcurrentCompilationTaskCount() const {
  return 1;
}

std::uint64_t Device::recommendedMaxWorkingSetSize() const {
  return physical_memory() / 4 * 3;
}

void Device::sampleTimestamps(MTL::Timestamp* cpuTimestamp, MTL::Timestamp* gpuTimestamp) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  *cpuTimestamp = static_cast<Timestamp>(std::chrono::nanoseconds(now).count());
  *gpuTimestamp = *cpuTimestamp;
}

void Device::setShouldMaximizeConcurrentCompilation(bool shouldMaximizeConcurrentCompilation) {
  impl_of<DeviceImpl>(this).maximize_compilation = shouldMaximizeConcurrentCompilation;
}

bool Device::shouldMaximizeConcurrentCompilation() const {
  return impl_of<DeviceImpl>(this).maximize_compilation;
}

}  // namespace MTL
