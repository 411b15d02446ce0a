#pragma once
// The declaration of a record's fields, from the flow's `records:`.

#include <map>
#include <string>
#include <vector>

namespace weir::sql {

enum class FieldType { any, text, integer, number, boolean, time, json };

struct Field {
  std::string name;
  FieldType type = FieldType::any;
  bool required = false;
  std::string format;  ///< of a time: unix_s, unix_ms, unix_us, unix_ns, rfc3339, or a strptime format with a zone
  std::string unit;    ///< as written; documentation
  std::string description;
};

struct Declaration {
  std::string name;
  std::vector<Field> fields;
  bool extra_allowed = true;  ///< `extra: keep`; false is `extra: fail`

  const Field* find(const std::string& field) const {
    for (const auto& f : fields) {
      if (f.name == field) return &f;
    }
    return nullptr;
  }
};

}  // namespace weir::sql
