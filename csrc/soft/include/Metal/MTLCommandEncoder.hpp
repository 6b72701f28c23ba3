// Metal/MTLCommandEncoder.hpp - what encoders have in common.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"

namespace isometal::soft {
class EncoderCore;
}

namespace MTL {

class Device;

_MTL_OPTIONS(NS::UInteger, ResourceUsage){
    ResourceUsageRead = 1,
    ResourceUsageWrite = 1 << 1,
    ResourceUsageSample = 1 << 2,
};

_MTL_OPTIONS(NS::UInteger, BarrierScope){
    BarrierScopeBuffers = 1,
    BarrierScopeTextures = 1 << 1,
    BarrierScopeRenderTargets = 1 << 2,
};

_MTL_OPTIONS(NS::UInteger, Stages){
    StageVertex = 1,
    StageFragment = 1 << 1,
    StageTile = 1 << 2,
    StageObject = 1 << 3,
    StageMesh = 1 << 4,
    StageResourceState = 1 << 26,
    StageDispatch = 1 << 27,
    StageBlit = 1 << 28,
    StageAccelerationStructure = 1 << 29,
    StageMachineLearning = 1 << 30,
    StageAll = 9223372036854775807,
};

class CommandEncoder : public NS::Referencing<CommandEncoder> {
 public:
  /// Encoders of a queue run one after the other here, so only the arguments are checked.
  void barrierAfterQueueStages(MTL::Stages afterQueueStages, MTL::Stages beforeStages);
  Device* device() const;
  void endEncoding();
  void insertDebugSignpost(const NS::String* string);
  NS::String* label() const;
  void popDebugGroup();
  void pushDebugGroup(const NS::String* string);
  void setLabel(const NS::String* label);

 protected:
  friend struct isometal::soft::Access;
  CommandEncoder() = default;
  virtual isometal::soft::EncoderCore& core() const = 0;
};

}  // namespace MTL
