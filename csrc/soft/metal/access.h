// csrc/soft/metal/access.h: from metal-cpp's classes to what the device keeps behind them.
#pragma once

#include <Metal/Metal.hpp>
#include <string>

#include "soft/metal/foundation.h"

namespace isometal::soft {

class BufferImpl;
class EncoderCore;
class EventCore;

/// What several of metal-cpp's classes share lies behind a virtual function that only this struct may call.
struct Access {
  static BufferImpl& buffer(const MTL::Resource* resource) { return resource->buffer(); }
  static EncoderCore& encoder(const MTL::CommandEncoder* encoder) { return encoder->core(); }
  static EventCore& event(const MTL::Event* event) { return event->core(); }
  static NS::SharedPtr<MTL::SharedEvent>& event_of(const MTL::SharedEventHandle* handle) {
    return const_cast<MTL::SharedEventHandle*>(handle)->event_;
  }
};

/// The implementation of an object. Every object of `Interface` is an `Impl`: nobody else can make one.
template <class Impl, class Interface>
Impl& impl_of(const Interface* object) {
  return *static_cast<Impl*>(const_cast<Interface*>(object));
}

/// A class of metal-cpp with a label.
template <class Interface>
class Labelled : public Interface {
 public:
  NS::String* label_object() const { return label_.get(); }
  std::string label_text() const { return text_of(label_.get()); }
  void label(const NS::String* text) {
    label_ = text == nullptr ? NS::SharedPtr<NS::String>() : NS::TransferPtr(text->copy());
  }

 protected:
  Labelled() = default;

 private:
  NS::SharedPtr<NS::String> label_;
};

}  // namespace isometal::soft
