// csrc/soft/metal/argument.cpp: a kernel's reflection as MTL's arguments and bindings.
#include "soft/metal/data_types.h"
#include "soft/metal/pipeline.h"

namespace isometal::soft {
namespace {

class ArgumentImpl final : public MTL::Argument {
 public:
  explicit ArgumentImpl(const ArgumentReflection& argument)
      : argument_(argument), name_(NS::RetainPtr(make_string(argument.name))) {}

  const ArgumentReflection& argument() const { return argument_; }
  NS::String* name_object() const { return name_.get(); }

 private:
  ArgumentReflection argument_;
  NS::SharedPtr<NS::String> name_;
};

template <class Interface>
class BindingImpl final : public Interface {
 public:
  explicit BindingImpl(const ArgumentReflection& argument) : argument_(argument) {}

 protected:
  const ArgumentReflection& reflection() const override { return argument_; }

 private:
  ArgumentReflection argument_;
};

class ReflectionImpl final : public MTL::ComputePipelineReflection {
 public:
  NS::SharedPtr<NS::Array> argument_objects;
  NS::SharedPtr<NS::Array> binding_objects;
};

MTL::BindingAccess access_of(const ArgumentReflection& argument) {
  switch (argument.access) {
    case ArgumentAccess::read:
      return MTL::BindingAccessReadOnly;
    case ArgumentAccess::write:
      return MTL::BindingAccessWriteOnly;
    case ArgumentAccess::read_write:
      return MTL::BindingAccessReadWrite;
  }
  return MTL::BindingAccessReadWrite;
}

const ArgumentReflection& reflected(const MTL::Argument* argument) {
  return impl_of<ArgumentImpl>(argument).argument();
}

bool is_buffer(const MTL::Argument* argument) {
  return reflected(argument).kind == ArgumentKind::buffer;
}

}  // namespace

MTL::ComputePipelineReflection* make_reflection(const KernelReflection& reflection) {
  std::vector<NS::SharedPtr<MTL::Argument>> arguments;
  std::vector<NS::SharedPtr<MTL::Binding>> bindings;
  for (const ArgumentReflection& argument : reflection.arguments) {
    if (argument.kind == ArgumentKind::builtin) continue;
    arguments.push_back(NS::TransferPtr(static_cast<MTL::Argument*>(new ArgumentImpl(argument))));
    MTL::Binding* binding = nullptr;
    if (argument.kind == ArgumentKind::buffer) {
      binding = new BindingImpl<MTL::BufferBinding>(argument);
    } else {
      binding = new BindingImpl<MTL::ThreadgroupBinding>(argument);
    }
    bindings.push_back(NS::TransferPtr(binding));
  }
  auto* const result = new ReflectionImpl;
  result->argument_objects = NS::RetainPtr(make_array(arguments));
  result->binding_objects = NS::RetainPtr(make_array(bindings));
  return result;
}

}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

BindingAccess Argument::access() const {
  return access_of(reflected(this));
}

NS::UInteger Argument::arrayLength() const {
  return 1;
}

NS::UInteger Argument::bufferAlignment() const {
  return is_buffer(this) ? reflected(this).alignment : 0;
}

NS::UInteger Argument::bufferDataSize() const {
  return is_buffer(this) ? reflected(this).type_size : 0;
}

DataType Argument::bufferDataType() const {
  return is_buffer(this) ? data_type(reflected(this).type_name) : DataTypeNone;
}

NS::UInteger Argument::index() const {
  return reflected(this).index;
}

bool Argument::isActive() const {
  return reflected(this).used;
}

NS::String* Argument::name() const {
  return impl_of<ArgumentImpl>(this).name_object();
}

NS::UInteger Argument::threadgroupMemoryAlignment() const {
  return is_buffer(this) ? 0 : reflected(this).alignment;
}

NS::UInteger Argument::threadgroupMemoryDataSize() const {
  return is_buffer(this) ? 0 : reflected(this).type_size;
}

ArgumentType Argument::type() const {
  return is_buffer(this) ? ArgumentTypeBuffer : ArgumentTypeThreadgroupMemory;
}

BindingAccess Binding::access() const {
  return access_of(reflection());
}

NS::UInteger Binding::index() const {
  return reflection().index;
}

bool Binding::isArgument() const {
  return true;
}

bool Binding::isUsed() const {
  return reflection().used;
}

NS::String* Binding::name() const {
  return make_string(reflection().name);
}

BindingType Binding::type() const {
  return reflection().kind == ArgumentKind::buffer ? BindingTypeBuffer : BindingTypeThreadgroupMemory;
}

NS::UInteger BufferBinding::bufferAlignment() const {
  return reflection().alignment;
}

NS::UInteger BufferBinding::bufferDataSize() const {
  return reflection().type_size;
}

DataType BufferBinding::bufferDataType() const {
  return data_type(reflection().type_name);
}

NS::UInteger ThreadgroupBinding::threadgroupMemoryAlignment() const {
  return reflection().alignment;
}

NS::UInteger ThreadgroupBinding::threadgroupMemoryDataSize() const {
  return reflection().type_size;
}

NS::Array* ComputePipelineReflection::arguments() const {
  return impl_of<ReflectionImpl>(this).argument_objects.get();
}

NS::Array* ComputePipelineReflection::bindings() const {
  return impl_of<ReflectionImpl>(this).binding_objects.get();
}

}  // namespace MTL
