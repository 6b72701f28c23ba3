// tests/cpp/main.cpp: runs the registered cases: all, or the one after `--case`.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "check.h"

namespace check {
namespace {

int failures = 0;
int checks = 0;

/// True if every check of the case held and there was at least one.
bool run(const Case& test) {
  failures = 0;
  checks = 0;
  try {
    test.body();
  } catch (const std::exception& error) {
    fail(test.name.c_str(), 0, std::string("exception: ") + error.what());
  }
  if (checks == 0) fail(test.name.c_str(), 0, "the case checks nothing");
  std::printf("%s %s (%d checks)\n", failures == 0 ? "ok  " : "FAIL", test.name.c_str(), checks);
  return failures == 0;
}

}  // namespace

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

void fail(const char* file, int line, const std::string& message) {
  ++failures;
  std::printf("  %s:%d: %s\n", file, line, message.c_str());
}

void count() {
  ++checks;
}

}  // namespace check

int main(int argc, char** argv) {
  const char* only = argc == 3 && std::strcmp(argv[1], "--case") == 0 ? argv[2] : nullptr;
  if (argc != 1 && only == nullptr) {
    std::fprintf(stderr, "usage: %s [--case NAME]\n", argv[0]);
    return 2;
  }
  int run = 0;
  int failed = 0;
  for (const check::Case& test : check::cases()) {
    if (only != nullptr && test.name != only) continue;
    ++run;
    failed += check::run(test) ? 0 : 1;
  }
  std::printf("%d cases, %d failed\n", run, failed);
  return run > 0 && failed == 0 ? 0 : 1;
}
