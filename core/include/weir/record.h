#pragma once
// What the flow declares of a processor's input, and of what it emits.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weir/context.h"

namespace weir {

namespace abi {

/// Context::interface("weir.emitted_record.1") is an EmittedRecord, or null where the flow declares none.
inline constexpr const char* kEmittedRecordInterface = "weir.emitted_record.1";

struct EmittedField {
  Text name;
  Text type;    ///< any, text, integer, number, boolean, time or json
  Text format;  ///< of a time: unix_s, unix_ms, unix_us, unix_ns, rfc3339 (or empty), or a strptime format
  bool required;
};

/// What the flow declares of the records that leave a processor (`record:` beside its type). Valid as long as the
/// context.
class EmittedRecord {
 public:
  virtual Text name() const = 0;
  virtual std::uint32_t size() const = 0;
  virtual EmittedField field(std::uint32_t index) const = 0;
  virtual bool extra_allowed() const = 0;  ///< false: `extra: fail`
  virtual ~EmittedRecord() = default;      ///< the host's
};

}  // namespace abi

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

struct EmittedField {
  std::string name;
  std::string type;    ///< as of DeclaredField
  std::string format;  ///< of a time
  bool required = false;
};

struct EmittedRecord {
  std::string name;
  std::vector<EmittedField> fields;  ///< in the author's order
  bool extra_allowed = true;
};

/// What the flow declares of the records that this processor makes; nothing if it declares none.
inline std::optional<EmittedRecord> emitted_record(Context& context) {
  const auto* record = static_cast<abi::EmittedRecord*>(context.raw()->interface(abi::kEmittedRecordInterface));
  if (record == nullptr) return std::nullopt;
  EmittedRecord emitted{std::string(view(record->name())), {}, record->extra_allowed()};
  for (std::uint32_t i = 0; i < record->size(); ++i) {
    const auto field = record->field(i);
    emitted.fields.push_back({std::string(view(field.name)), std::string(view(field.type)),
                              std::string(view(field.format)), field.required});
  }
  return emitted;
}

}  // namespace weir
