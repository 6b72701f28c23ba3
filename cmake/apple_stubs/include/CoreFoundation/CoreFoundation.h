// CoreFoundation/CoreFoundation.h: the types that Apple's metal-cpp names, for syntax checks without Apple's
// SDK.
#pragma once

typedef const void* CFTypeRef;
typedef double CFTimeInterval;
