// Metal/MTLArgument.hpp - what a pipeline says about a kernel's arguments.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLDataType.hpp"
#include "MTLDefines.hpp"

namespace isometal::soft {
struct ArgumentReflection;
}

namespace MTL {

_MTL_ENUM(NS::Integer, BindingType){
    BindingTypeBuffer = 0,
    BindingTypeThreadgroupMemory = 1,
    BindingTypeTexture = 2,
    BindingTypeSampler = 3,
};

_MTL_ENUM(NS::UInteger, ArgumentType){
    ArgumentTypeBuffer = 0,
    ArgumentTypeThreadgroupMemory = 1,
    ArgumentTypeTexture = 2,
    ArgumentTypeSampler = 3,
};

_MTL_ENUM(NS::UInteger, BindingAccess){
    BindingAccessReadOnly = 0,  BindingAccessReadWrite = 1,  BindingAccessWriteOnly = 2,
    ArgumentAccessReadOnly = 0, ArgumentAccessReadWrite = 1, ArgumentAccessWriteOnly = 2,
};

class Argument : public NS::Referencing<Argument> {
 public:
  BindingAccess access() const;
  NS::UInteger arrayLength() const;
  NS::UInteger bufferAlignment() const;
  NS::UInteger bufferDataSize() const;
  DataType bufferDataType() const;
  NS::UInteger index() const;
  bool isActive() const;
  NS::String* name() const;
  NS::UInteger threadgroupMemoryAlignment() const;
  NS::UInteger threadgroupMemoryDataSize() const;
  ArgumentType type() const;

 protected:
  Argument() = default;
};

class Binding : public NS::Referencing<Binding> {
 public:
  BindingAccess access() const;
  NS::UInteger index() const;
  bool isArgument() const;
  bool isUsed() const;
  NS::String* name() const;
  BindingType type() const;

 protected:
  Binding() = default;
  virtual const isometal::soft::ArgumentReflection& reflection() const = 0;
};

class BufferBinding : public NS::Referencing<BufferBinding, Binding> {
 public:
  NS::UInteger bufferAlignment() const;
  NS::UInteger bufferDataSize() const;
  DataType bufferDataType() const;

 protected:
  BufferBinding() = default;
};

class ThreadgroupBinding : public NS::Referencing<ThreadgroupBinding, Binding> {
 public:
  NS::UInteger threadgroupMemoryAlignment() const;
  NS::UInteger threadgroupMemoryDataSize() const;

 protected:
  ThreadgroupBinding() = default;
};

}  // namespace MTL
