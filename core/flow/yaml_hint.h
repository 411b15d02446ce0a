#pragma once
// What may be meant by text that YAML's parser refuses: it says what it found, and not what the author should change.

#include <cstddef>
#include <string>
#include <string_view>

#include "flow/source.h"

namespace weir::flow {

/// What should stand there instead, for the slips that are common in flow files; empty if it is none of them.
/// `message` and `offset` are the parser's.
std::string yaml_hint(const Source& source, std::size_t offset, std::string_view message);

}  // namespace weir::flow
