// tests/cpp/metal_fake_service.cpp: the kernels. What each does stands at its region.
#include "metal_fake_service.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>

#include "soft/error.h"

namespace isometal::soft {
namespace {

using abi::Site;
using abi::SiteKind;
using abi::Span;
using abi::Threadgroup;

template <typename T>
T* buffer(const Threadgroup* group, std::size_t index) {
  return static_cast<T*>(group->buffers[index]);
}

std::uint32_t grid_x(const Threadgroup* group, const Span* span, std::uint32_t i) {
  return group->position[0] * group->dispatch_size[0] + span->x + i;
}

/// out[x] = a[x] + b[x]
void add(const Threadgroup* group, const Span* span, void*, std::uint16_t*) {
  for (std::uint32_t i = 0; i < span->count; ++i) {
    const std::uint32_t x = grid_x(group, span, i);
    buffer<float>(group, 2)[x] = buffer<float>(group, 0)[x] + buffer<float>(group, 1)[x];
  }
}

/// data[x] = data[x] * kFactor + offset, offset being bytes
template <int kFactor>
void scale(const Threadgroup* group, const Span* span, void*, std::uint16_t*) {
  for (std::uint32_t i = 0; i < span->count; ++i) {
    float& value = buffer<float>(group, 0)[grid_x(group, span, i)];
    value = value * static_cast<float>(kFactor) + *buffer<float>(group, 1);
  }
}

/// Appends a number (bytes) to a log: log[0] counts.
void append(const Threadgroup* group, const Span*, void*, std::uint16_t*) {
  auto* const log = buffer<std::uint32_t>(group, 0);
  log[++log[0]] = *buffer<std::uint32_t>(group, 1);
}

/// scratch[threadgroup(0)][thread] = in[thread] ...
void store(const Threadgroup* group, const Span* span, void*, std::uint16_t*) {
  auto* const scratch = static_cast<std::uint32_t*>(group->threadgroup_arguments[0]);
  for (std::uint32_t i = 0; i < span->count; ++i) {
    scratch[span->thread + i] = buffer<std::uint32_t>(group, 0)[grid_x(group, span, i)];
  }
}

/// ... and behind a barrier: out[x] = scratch[size - 1 - thread], so that each reads what another wrote.
void reverse(const Threadgroup* group, const Span* span, void*, std::uint16_t*) {
  const auto* const scratch = static_cast<const std::uint32_t*>(group->threadgroup_arguments[0]);
  for (std::uint32_t i = 0; i < span->count; ++i) {
    const std::uint32_t thread = span->thread + i;
    buffer<std::uint32_t>(group, 1)[group->position[0] * group->dispatch_size[0] + thread] =
        scratch[group->size[0] - 1 - thread];
  }
}

/// Even threads go to one barrier, odd ones to another.
void part(const Threadgroup*, const Span* span, void*, std::uint16_t* next) {
  for (std::uint32_t i = 0; i < span->count; ++i) {
    const std::uint32_t thread = span->thread + i;
    next[thread % abi::kLanes] = thread % 2 == 0 ? 1 : 2;
  }
}

void nothing(const Threadgroup*, const Span*, void*, std::uint16_t*) {}

/// Bytes say for how many threadgroups to spin: a dispatch that takes its time, until flag[0] is set.
void spin(const Threadgroup* group, const Span*, void*, std::uint16_t*) {
  const std::atomic_ref<std::uint32_t> flag(*buffer<std::uint32_t>(group, 0));
  while (flag.load() == 0) {
  }
}

struct Entry {
  std::vector<Site> sites;
  KernelReflection reflection;
  std::vector<FunctionConstant> constants;
  std::function<std::vector<Site>(const CompileRequest&)> specialise;
};

Site only(abi::Run run) {
  return {run, nullptr, SiteKind::start, abi::kFinished, 0};
}

ArgumentReflection in_buffer(const char* name, const char* type, std::uint32_t index, ArgumentAccess access,
                             std::uint64_t required = 4) {
  ArgumentReflection argument;
  argument.name = name;
  argument.type_name = type;
  argument.index = index;
  argument.access = access;
  argument.space = access == ArgumentAccess::read ? AddressSpace::constant : AddressSpace::device;
  argument.type_size = argument.required_bytes = required;
  argument.alignment = 4;
  return argument;
}

ArgumentReflection in_threadgroup(const char* name, std::uint32_t index) {
  ArgumentReflection argument = in_buffer(name, "uint", index, ArgumentAccess::read_write);
  argument.kind = ArgumentKind::threadgroup;
  argument.space = AddressSpace::threadgroup;
  return argument;
}

std::map<std::string, Entry> make_entries() {
  constexpr auto kRead = ArgumentAccess::read;
  constexpr auto kWrite = ArgumentAccess::write;
  constexpr auto kBoth = ArgumentAccess::read_write;
  std::map<std::string, Entry> entries;

  ArgumentReflection position;
  position.name = "position";
  position.kind = ArgumentKind::builtin;
  ArgumentReflection unused = in_buffer("unused", "float", 7, kRead);
  unused.used = false;
  entries["add"] = {{only(add)},
                    {"add",
                     {in_buffer("a", "float", 0, kRead), in_buffer("b", "float", 1, kRead),
                      in_buffer("out", "float", 2, kWrite), unused, position},
                     1024,
                     0,
                     {}},
                    {},
                    {}};

  Entry scaled{
      {},
      {"scale", {in_buffer("data", "float", 0, kBoth), in_buffer("offset", "float", 1, kRead)}, 512, 0, {}},
      {{"factor", "int", 0, true}, {"name_only", "bool", 3, false}},
      {}};
  scaled.specialise = [](const CompileRequest& request) {
    std::int32_t factor = 0;
    std::memcpy(&factor, request.constants.at(0).bytes.data(), sizeof(factor));
    return std::vector<Site>{only(factor == 2 ? scale<2> : scale<3>)};
  };
  entries["scale"] = std::move(scaled);

  entries["append"] = {
      {only(append)},
      {"append", {in_buffer("log", "uint", 0, kBoth), in_buffer("number", "uint", 1, kRead)}, 1, 0, {}},
      {},
      {}};
  entries["reverse"] = {
      {{store, nullptr, SiteKind::start, 1, 0}, {reverse, nullptr, SiteKind::threadgroup, abi::kFinished, 2}},
      {"reverse",
       {in_buffer("in", "uint", 0, kRead), in_buffer("out", "uint", 1, kWrite), in_threadgroup("scratch", 0)},
       1024,
       1024,
       {"entry", "the barrier of reverse"}},
      {},
      {}};
  entries["hang"] = {{{part, nullptr, SiteKind::start, abi::kSeveral, 0},
                      {nothing, nullptr, SiteKind::threadgroup, abi::kFinished, 2},
                      {nothing, nullptr, SiteKind::threadgroup, abi::kFinished, 2}},
                     {"hang", {}, 1024, 0, {"entry", "the even barrier", "the odd barrier"}},
                     {},
                     {}};
  entries["spin"] = {{only(spin)}, {"spin", {in_buffer("flag", "uint", 0, kBoth)}, 1, 0, {}}, {}, {}};
  entries["wide"] = {
      {only(nothing)}, {"wide", {in_buffer("struct", "Params", 0, kRead, 48)}, 1024, 0, {}}, {}, {}};
  entries["too_static"] = {{only(nothing)}, {"too_static", {}, 1024, 40000, {}}, {}, {}};
  entries["broken"] = {{}, {"broken", {}, 1024, 0, {}}, {}, {}};
  return entries;
}

const std::map<std::string, Entry>& entries() {
  static const std::map<std::string, Entry> all = make_entries();
  return all;
}

/// Code as a real service owns it.
struct Code {
  std::vector<Site> sites;
  abi::Kernel kernel{};
};

}  // namespace

OpenedLibrary FakeService::open_metallib(std::span<const std::byte> bytes, const std::string& origin) {
  if (bytes.size() < 4 || std::memcmp(bytes.data(), "FAKE", 4) != 0) {
    throw CompileError(CompileFailure::invalid_library,
                       soft_message(origin, " is no metallib: it begins otherwise."));
  }
  return open_default();
}

OpenedLibrary FakeService::open_source(const std::string& source, const SourceOptions& options) {
  const std::lock_guard lock(mutex_);
  last_options = options;
  if (source.find("#error") != std::string::npos) {
    throw CompileError(CompileFailure::compile, "[soft] program_source:1:2: error: as the source says.");
  }
  OpenedLibrary library = open_default();
  if (source.find("#warning") != std::string::npos)
    library.warnings = "program_source:1:2: warning: as you wish";
  return library;
}

OpenedLibrary FakeService::open_default() {
  OpenedLibrary library;
  library.id = static_cast<LibraryId>(++open_libraries);
  for (const auto& entry : entries()) library.functions.push_back(entry.first);
  return library;
}

std::vector<FunctionConstant> FakeService::function_constants(LibraryId, const std::string& function) {
  return entries().at(function).constants;
}

CompiledKernel FakeService::compile(const CompileRequest& request) {
  const std::lock_guard lock(mutex_);
  last_request = request;
  const Entry& entry = entries().at(request.function);
  if (request.function == "broken") throw std::runtime_error("the compiler broke");
  const auto code = std::make_shared<Code>();
  code->sites = entry.specialise ? entry.specialise(request) : entry.sites;
  code->kernel.version = abi::kVersion;
  code->kernel.site_count = static_cast<std::uint32_t>(code->sites.size());
  code->kernel.frame_bytes = 64;
  code->kernel.sites = code->sites.data();
  last_code = code;
  return {&code->kernel, entry.reflection, code};
}

void FakeService::close(LibraryId) noexcept {
  --open_libraries;
}

FakeService& fake_service() {
  static const std::shared_ptr<FakeService> service = [] {
    auto made = std::make_shared<FakeService>();
    set_compile_service(made);
    return made;
  }();
  return *service;
}

}  // namespace isometal::soft
