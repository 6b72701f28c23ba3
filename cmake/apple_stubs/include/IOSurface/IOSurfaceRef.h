// IOSurface/IOSurfaceRef.h: the type that Apple's metal-cpp names, for syntax checks without Apple's SDK.
#pragma once

typedef struct __IOSurface* IOSurfaceRef;
