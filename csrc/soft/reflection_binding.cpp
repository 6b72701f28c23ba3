// csrc/soft/reflection_binding.cpp: attribute by attribute, with the names that Python uses.
#include "soft/reflection_binding.h"

#include <nanobind/stl/string.h>

#include <cstdint>
#include <map>
#include <string>

#include "soft/error.h"

namespace nb = nanobind;

namespace isometal::soft {
namespace {

template <typename Enum>
Enum named(nb::handle object, const char* attribute, const std::map<std::string, Enum>& names) {
  const auto name = nb::cast<std::string>(object.attr(attribute));
  const auto found = names.find(name);
  if (found != names.end()) return found->second;
  std::string known;
  for (const auto& [text, value] : names) known += (known.empty() ? "" : ", ") + text;
  throw SoftError(
      soft_message("a reflection with the ", attribute, " '", name, "'; possible are ", known, "."));
}

ArgumentReflection to_argument(nb::handle from) {
  static const std::map<std::string, ArgumentKind> kinds{{"buffer", ArgumentKind::buffer},
                                                         {"threadgroup", ArgumentKind::threadgroup},
                                                         {"builtin", ArgumentKind::builtin}};
  static const std::map<std::string, ArgumentAccess> accesses{{"read", ArgumentAccess::read},
                                                              {"write", ArgumentAccess::write},
                                                              {"read_write", ArgumentAccess::read_write}};
  static const std::map<std::string, AddressSpace> spaces{{"thread", AddressSpace::thread},
                                                          {"device", AddressSpace::device},
                                                          {"constant", AddressSpace::constant},
                                                          {"threadgroup", AddressSpace::threadgroup}};
  ArgumentReflection to;
  to.name = nb::cast<std::string>(from.attr("name"));
  to.type_name = nb::cast<std::string>(from.attr("type_name"));
  to.kind = named(from, "kind", kinds);
  to.access = named(from, "access", accesses);
  to.space = named(from, "space", spaces);
  to.index = nb::cast<std::uint32_t>(from.attr("index"));
  to.type_size = nb::cast<std::uint64_t>(from.attr("type_size"));
  to.alignment = nb::cast<std::uint64_t>(from.attr("alignment"));
  to.required_bytes = nb::cast<std::uint64_t>(from.attr("required_bytes"));
  to.used = nb::cast<bool>(from.attr("used"));
  return to;
}

}  // namespace

KernelReflection to_reflection(nb::handle from) {
  KernelReflection to;
  to.name = nb::cast<std::string>(from.attr("name"));
  for (nb::handle argument : from.attr("arguments")) to.arguments.push_back(to_argument(argument));
  to.max_threads_per_threadgroup = nb::cast<std::uint32_t>(from.attr("max_threads_per_threadgroup"));
  to.static_threadgroup_bytes = nb::cast<std::uint64_t>(from.attr("static_threadgroup_bytes"));
  for (nb::handle site : from.attr("sites")) to.sites.push_back(nb::cast<std::string>(site.attr("text")));
  return to;
}

}  // namespace isometal::soft
