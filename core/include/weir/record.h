#pragma once
// What the flow declares of a processor's input.

#include <string>
#include <vector>

#include "weir/context.h"

namespace weir {

struct DeclaredField {
  std::string name;
  std::string type;  ///< any, text, integer, number, boolean, time or json
  bool required = false;
};

/// The declared fields, in the author's order; none if the input has no declaration.
inline std::vector<DeclaredField> declared_fields(Context& context) {
  std::vector<DeclaredField> fields;
  const auto* record = static_cast<abi::DeclaredRecord*>(context.raw()->interface(abi::kRecordInterface));
  for (std::uint32_t i = 0; record != nullptr && i < record->size(); ++i) {
    const auto field = record->field(i);
    fields.push_back({std::string(view(field.name)), std::string(view(field.type)), field.required});
  }
  return fields;
}

}  // namespace weir
