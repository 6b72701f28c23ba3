// tests/cpp/check.h: the few words in which the C++ tests are written.
#pragma once

#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace check {

struct Case {
  std::string name;
  std::function<void()> body;
};

/// All cases of the executable, in order of registration.
std::vector<Case>& cases();

/// Counts a failed check of the running case and prints it.
void fail(const char* file, int line, const std::string& message);

/// Counts a check that was made: a case without any has failed.
void count();

struct Registration {
  Registration(const char* name, std::function<void()> body) { cases().push_back({name, std::move(body)}); }
};

template <typename A, typename B>
void equal(const A& actual, const B& expected, const char* text, const char* file, int line) {
  count();
  if (actual == expected) return;
  std::ostringstream message;
  message << text;
  if constexpr (requires { message << actual << expected; }) {
    message << "\n    actual:   " << actual << "\n    expected: " << expected;
  }
  fail(file, line, message.str());
}

/// `body` must throw `Error` with `part` in its message.
template <typename Error, typename Body>
void throws(Body&& body, const std::string& part, const char* file, int line) {
  count();
  try {
    body();
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find(part) == std::string::npos) fail(file, line, "message lacks '" + part + "': " + message);
    bool opened = false;
    for (const char* const start : {"[array] ", "[metal] ", "[soft] "})
      opened |= message.rfind(start, 0) == 0;
    if (!opened || message.back() != '.') fail(file, line, "not in form: " + message);
    return;
  } catch (const std::exception& error) {
    return fail(file, line, std::string("another exception: ") + error.what());
  }
  fail(file, line, "nothing was thrown, expected: " + part);
}

}  // namespace check

#define TEST_CASE(name)                                              \
  static void name();                                                \
  static const check::Registration registration_##name(#name, name); \
  static void name()

#define CHECK(condition) check::equal(static_cast<bool>(condition), true, #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, expected) \
  check::equal((actual), (expected), #actual " == " #expected, __FILE__, __LINE__)
#define CHECK_THROWS(Error, part, ...) check::throws<Error>([&] { __VA_ARGS__; }, (part), __FILE__, __LINE__)
