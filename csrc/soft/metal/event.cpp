// csrc/soft/metal/event.cpp: events, shared events and fences.
#include "soft/metal/event.h"

#include <algorithm>
#include <utility>

#include "soft/error.h"
#include "soft/metal/device.h"
#include "soft/validation.h"

namespace isometal::soft {

std::uint64_t EventCounter::value() const {
  const std::lock_guard lock(mutex_);
  return value_;
}

void EventCounter::set(std::uint64_t value) {
  change(value, false);
}

void EventCounter::raise(std::uint64_t value) {
  change(value, true);
}

void EventCounter::change(std::uint64_t value, bool only_up) {
  std::multimap<std::uint64_t, std::function<void()>> due;
  {
    const std::lock_guard lock(mutex_);
    if (only_up && value <= value_) return;
    value_ = value;
    while (!calls_.empty() && calls_.begin()->first <= value) due.insert(calls_.extract(calls_.begin()));
  }
  ++the_device().progress;
  changed_.notify_all();
  for (auto& call : due) the_device().notify_later(std::move(call.second));
}

void EventCounter::give_up(std::uint64_t value, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    given_up_[value] = reason;
  }
  changed_.notify_all();
}

EventCounter::Wait EventCounter::wait(std::uint64_t value, std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return value_ >= value || given_up(value); });
  if (value_ >= value) return Wait::kReached;
  return given_up(value) ? Wait::kGivenUp : Wait::kTimeout;
}

std::string EventCounter::reason(std::uint64_t value) const {
  const std::lock_guard lock(mutex_);
  const auto found = given_up_.lower_bound(value);
  return found == given_up_.end() ? std::string() : found->second;
}

void EventCounter::call_at(std::uint64_t value, std::function<void()> function) {
  {
    const std::lock_guard lock(mutex_);
    if (value_ < value) {
      calls_.emplace(value, std::move(function));
      return;
    }
  }
  the_device().notify_later(std::move(function));
}

std::string EventCore::described() const {
  std::ostringstream out;
  out << "event ";
  if (const std::string text = text_of(label.get()); !text.empty()) {
    out << "'" << text << "'";
  } else {
    out << static_cast<const void*>(this);
  }
  return out.str();
}

namespace {

class EventImpl final : public MTL::Event {
 protected:
  EventCore& core() const override { return core_; }

 private:
  mutable EventCore core_;
};

class SharedEventImpl final : public MTL::SharedEvent {
 protected:
  EventCore& core() const override { return core_; }

 private:
  mutable EventCore core_;
};

class ListenerImpl final : public MTL::SharedEventListener {};
class HandleImpl final : public MTL::SharedEventHandle {};
class FenceImpl final : public Labelled<MTL::Fence> {};

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

Event* Device::newEvent() {
  return new EventImpl;
}

SharedEvent* Device::newSharedEvent() {
  return new SharedEventImpl;
}

SharedEvent* Device::newSharedEvent(const MTL::SharedEventHandle* sharedEventHandle) {
  SharedEvent* const event =
      sharedEventHandle == nullptr ? nullptr : Access::event_of(sharedEventHandle).get();
  if (event != nullptr) return event->retain();
  report_failure(soft_message("newSharedEvent: the handle belongs to no event; use newSharedEventHandle."));
  return nullptr;
}

Fence* Device::newFence() {
  return new FenceImpl;
}

Device* Event::device() const {
  return &the_device();
}

NS::String* Event::label() const {
  return core().label.get();
}

void Event::setLabel(const NS::String* label) {
  core().label = keep(label);
}

SharedEventListener* SharedEventListener::alloc() {
  return new ListenerImpl;
}

dispatch_queue_t SharedEventListener::dispatchQueue() const {
  return queue_;
}

SharedEventListener* SharedEventListener::init() {
  return init(dispatch_get_global_queue(DISPATCH_QUEUE_PRIORITY_DEFAULT, 0));
}

SharedEventListener* SharedEventListener::init(const dispatch_queue_t dispatchQueue) {
  queue_ = dispatchQueue;
  return this;
}

SharedEventListener* SharedEventListener::sharedListener() {
  static SharedEventListener* const listener = alloc()->init();
  return listener;
}

SharedEventHandle* SharedEvent::newSharedEventHandle() {
  SharedEventHandle* const handle = SharedEventHandle::alloc()->init();
  Access::event_of(handle) = NS::RetainPtr(this);
  return handle;
}

void SharedEvent::notifyListener(const MTL::SharedEventListener* listener, std::uint64_t value,
                                 const MTL::SharedEventNotificationFunction& function) {
  if (listener == nullptr || !function) {
    return report_failure(soft_message("notifyListener: listener or function is null; both are needed."));
  }
  const auto call = [event = NS::RetainPtr(this), function, value] { function(event.get(), value); };
  core().counter->call_at(value, call);
}

void SharedEvent::setSignaledValue(std::uint64_t signaledValue) {
  core().counter->set(signaledValue);
}

std::uint64_t SharedEvent::signaledValue() const {
  return core().counter->value();
}

bool SharedEvent::waitUntilSignaledValue(std::uint64_t value, std::uint64_t milliseconds) {
  // A year is as good as forever, and does not overflow the clock.
  constexpr std::uint64_t kYear = 365ull * 24 * 3600 * 1000;
  const std::chrono::milliseconds time(static_cast<std::int64_t>(std::min(milliseconds, kYear)));
  return core().counter->wait(value, time) == EventCounter::Wait::kReached;
}

SharedEventHandle* SharedEventHandle::alloc() {
  return new HandleImpl;
}

SharedEventHandle* SharedEventHandle::init() {
  return this;
}

NS::String* SharedEventHandle::label() const {
  return event_ ? event_->label() : nullptr;
}

Device* Fence::device() const {
  return &the_device();
}

NS::String* Fence::label() const {
  return impl_of<FenceImpl>(this).label_object();
}

void Fence::setLabel(const NS::String* label) {
  impl_of<FenceImpl>(this).label(label);
}

}  // namespace MTL
