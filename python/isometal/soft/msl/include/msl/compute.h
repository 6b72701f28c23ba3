// isometal: msl/compute.h
// <metal_compute>: barriers, and the scopes and flags that fences share with them. The numbers are AIR's.
#pragma once

namespace metal {

enum class mem_flags {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
  mem_object_data = 16
};
MSL_FUNC constexpr mem_flags operator|(mem_flags a, mem_flags b) {
  return mem_flags(int(a) | int(b));
}
MSL_FUNC constexpr mem_flags operator&(mem_flags a, mem_flags b) {
  return mem_flags(int(a) & int(b));
}

enum thread_scope {
  thread_scope_thread = 0,
  thread_scope_threadgroup = 1,
  thread_scope_device = 2,
#if __METAL_VERSION__ >= 320
  thread_scope_system = 3,
#endif
  thread_scope_simdgroup = 4
};

void __air_threadgroup_barrier(int flags, int scope) __asm("air.wg.barrier") MSL_TOGETHER;
void __air_simdgroup_barrier(int flags, int scope) __asm("air.simdgroup.barrier") MSL_TOGETHER;

/// Waits for the threadgroup; memory of the kinds in `flags` is then seen by all its threads.
MSL_FUNC void threadgroup_barrier(mem_flags flags, thread_scope scope = thread_scope_threadgroup) {
  __air_threadgroup_barrier(int(flags), int(scope));
}

// Apple's compiler gives this barrier the scope 1 as well.
MSL_FUNC void simdgroup_barrier(mem_flags flags, thread_scope scope = thread_scope_threadgroup) {
  __air_simdgroup_barrier(int(flags), int(scope));
}

}  // namespace metal
