// Foundation/NSAutoreleasePool.hpp - where autoreleased objects wait for their release.
#pragma once

#include "NSObject.hpp"

namespace NS {

/// Pools of a thread nest: an object goes to the one made last. A pool must be released on the thread that
/// made it; releasing it also releases the pools made after it. Without a pool, objects wait until the thread
/// ends.
class AutoreleasePool : public Object {
 public:
  static AutoreleasePool* alloc();
  AutoreleasePool* init();
  void drain();
  void addObject(Object* pObject);
  static void showPools();

 protected:
  AutoreleasePool() = default;
};

}  // namespace NS
