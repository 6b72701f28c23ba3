"""The software Metal device: runs Metal kernels, from source or from Apple's metallibs, on any CPU."""
