// tests/cpp/metal_dispatcher_test.cpp: runs the dispatcher that also compiles against Apple's headers.
#include "check.h"
#include "dispatcher/device_kind.h"
#include "dispatcher_sample.h"
#include "metal_fake_service.h"
#include "metal_support.h"

TEST_CASE(a_dispatcher_written_for_a_mac_runs_here) {
  isometal::soft::fake_service();
  const metal_test::Failures failures;
  const std::vector<float> a{1, 2, 3, 4, 5};
  const std::vector<float> b{10, 20, 30, 40, 50};
  CHECK_EQUAL(dispatch_sample("kernels", a, b, 2, 0.5f),
              std::vector<float>({22.5f, 44.5f, 66.5f, 88.5f, 110.5f}));
  CHECK(failures.none());
}

TEST_CASE(the_dispatcher_gets_the_texts_of_errors) {
  isometal::soft::fake_service();
  CHECK_THROWS(std::runtime_error, "program_source:1:2: error", dispatch_sample("#error", {1}, {2}, 2, 0));
}

TEST_CASE(the_gpu_of_a_virtual_machine_is_no_apple_gpu) {
  CHECK_EQUAL(isometal::apple_device_kind("Apple M4 Max"), "apple-gpu");
  CHECK_EQUAL(isometal::apple_device_kind("Apple A18 Pro"), "apple-gpu");
  CHECK_EQUAL(isometal::apple_device_kind("Apple Paravirtual device"), "apple-paravirtual");
}
