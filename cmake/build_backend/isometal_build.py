from scikit_build_core.build import *
