// Metal/MTLEvent.hpp - order between command buffers, queues and the CPU: counters that only grow.
#pragma once

#include <dispatch/dispatch.h>

#include <cstdint>
#include <functional>

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"

namespace isometal::soft {
class EventCore;
}

namespace MTL {

class Device;
class SharedEvent;
class SharedEventHandle;
class SharedEventListener;

using SharedEventNotificationFunction = std::function<void(SharedEvent* pEvent, std::uint64_t value)>;

class Event : public NS::Referencing<Event> {
 public:
  Device* device() const;
  NS::String* label() const;
  void setLabel(const NS::String* label);

 protected:
  friend struct isometal::soft::Access;
  Event() = default;
  virtual isometal::soft::EventCore& core() const = 0;
};

class SharedEventListener : public NS::Referencing<SharedEventListener> {
 public:
  static SharedEventListener* alloc();
  dispatch_queue_t dispatchQueue() const;
  SharedEventListener* init();
  SharedEventListener* init(const dispatch_queue_t dispatchQueue);
  static SharedEventListener* sharedListener();

 protected:
  SharedEventListener() = default;

 private:
  dispatch_queue_t queue_ = nullptr;
};

class SharedEvent : public NS::Referencing<SharedEvent, Event> {
 public:
  SharedEventHandle* newSharedEventHandle();
  /// Calls `function` on a thread of the device's once the event has reached `value`; keeps the event until
  /// then.
  void notifyListener(const MTL::SharedEventListener* listener, std::uint64_t value,
                      const MTL::SharedEventNotificationFunction& function);
  void setSignaledValue(std::uint64_t signaledValue);
  std::uint64_t signaledValue() const;
  /// False where the time ran out, or where the command buffer that was to signal the value has failed.
  bool waitUntilSignaledValue(std::uint64_t value, std::uint64_t milliseconds);

 protected:
  SharedEvent() = default;
};

/// A way to the same event. Handles do not cross processes here.
class SharedEventHandle : public NS::SecureCoding<SharedEventHandle> {
 public:
  static SharedEventHandle* alloc();
  SharedEventHandle* init();
  NS::String* label() const;

 protected:
  SharedEventHandle() = default;

 private:
  friend struct isometal::soft::Access;
  NS::SharedPtr<SharedEvent> event_;
};

}  // namespace MTL
