#pragma once
// The JSON Schema (2020-12) of flow files: what gives editors completion, hover and red underlines. Made from the
// specs of the types that are there, like everything else that is said about them.

#include <string>

#include "plugin/registry.h"

namespace weir::flow {

std::string schema(const plugin::Registry& registry);

}  // namespace weir::flow
