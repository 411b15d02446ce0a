#pragma once
// What there is to know of processor types, from their specs: as text for the terminal, as JSON, and as the pages of
// docs/reference.

#include <map>
#include <string>

#include "plugin/registry.h"
#include "weir/abi.h"

namespace weir::flow {

/// One line a type.
std::string reference_list(const plugin::Registry& registry);
std::string reference_text(const abi::Spec& spec);
/// One object, or an array of all.
std::string reference_json(const abi::Spec& spec);
std::string reference_json(const plugin::Registry& registry);
/// File names and their content: a page a type, and README.md that leads to them.
std::map<std::string, std::string> reference_pages(const plugin::Registry& registry);

}  // namespace weir::flow
