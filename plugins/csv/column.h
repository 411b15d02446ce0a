#pragma once
// A column of a CSV file, and what its cells become in the record.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cell_text.h"
#include "row_parser.h"
#include "weir/record.h"

namespace weir::csv {

/// How cells are read, whatever their column.
struct CellRules {
  char quote = '"';
  std::string null_text = {};  ///< a cell without quotes that says this is null
  bool infer = true;           ///< cells of `any` columns become numbers and booleans where they look like it
  TextEncoding encoding = TextEncoding::utf_8;
};

class Column {
 public:
  /// `declared` may be null: the column is of type any.
  Column(std::string name, const EmittedField* declared);

  const std::string& name() const { return name_; }
  /// The name as it begins a JSON member: quoted, with its colon.
  const std::string& member() const { return member_; }

  /// Appends the cell's value as JSON. False: it is not of the column's type; `error` says why.
  [[nodiscard]] bool append(std::string& to, const Cell& cell, const CellRules& rules, std::string& error) const;

 private:
  enum class Type { any, text, integer, number, boolean, unix_time, time, json };
  static Type type_of(const EmittedField* declared);
  bool append_typed(std::string& to, std::string_view text) const;

  std::string name_;
  std::string member_;
  Type type_;
  std::string type_name_;
  bool required_;
};

/// The columns of those names, typed by the record that the flow declares for what is made of them. Throws Rejected
/// where they cannot be a record's fields, or not that record's.
std::vector<Column> columns_of(const std::vector<std::string>& names, const std::optional<EmittedRecord>& record);

/// The text as a JSON number, or empty if it is none. Lenient: spaces around it, a plus sign, needless zeros in front,
/// and nothing on one side of the point are brought into JSON's form. Beyond the range of a double it is none.
std::string lenient_number(std::string_view text);

}  // namespace weir::csv
