#pragma once
// The common subset of expressions, evaluated without SQLite, to SQLite's result: comparisons, AND, OR, NOT, IN,
// BETWEEN and IS [NOT] NULL over fields, attributes and constants.
//
// Where SQLite would convert an operand while comparing (a number field with a text constant, text with an integer
// too large for 64 bits), this code does not imitate it: such an expression does not compile, or says `unknown` for
// that record, and SQLite decides.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sql/expression.h"
#include "sql/value.h"
#include "weir/abi.h"

namespace weir::sql {

enum class Truth : std::uint8_t { no, yes, null, unknown };

/// What a predicate is compiled with.
struct PredicateScope {
  /// The slot of the field, and its type; nothing: SQLite has to say what is wrong with it.
  std::function<std::optional<std::pair<std::uint32_t, FieldType>>(const Expression&)> field;
  /// The number of an attribute among those to look up for each FlowFile.
  std::function<std::uint32_t(const std::string&)> attribute;
  /// What SQLite makes of a literal.
  std::function<std::optional<Value>(const std::string& sql, Arena&)> constant;
};

class Predicate {
 public:
  /// Nothing if the expression is outside of the subset.
  static std::optional<Predicate> compile(const Expression& expression, const PredicateScope& scope);

  /// `fields`: a value a slot; a missing field has an empty raw token. `attributes`: a value each.
  Truth evaluate(const Value* fields, const Value* attributes) const { return evaluate(root_, fields, attributes); }

 private:
  enum class Op : std::uint8_t { both, either, negation, compare, compare_real, in, is_null, truth, has, constant };
  enum class From : std::uint8_t { field, attribute, constant };
  struct Operand {
    From from = From::constant;
    std::uint32_t index = 0;
    FieldType type = FieldType::any;
  };
  struct Node {
    Op op = Op::constant;
    Comparison comparison = Comparison::equal;
    bool negated = false;
    Truth value = Truth::null;
    Operand left;
    Operand right;
    std::uint32_t first = 0;   ///< children; or the first constant of a list
    std::uint32_t second = 0;  ///< or the end of the list
    double real = 0;
  };

  bool add(const Expression& expression, const PredicateScope& scope, std::uint32_t& index);
  bool add_comparison(Comparison comparison, const Expression& left, const Expression& right,
                      const PredicateScope& scope, std::uint32_t& index);
  bool operand(const Expression& expression, const PredicateScope& scope, Operand& operand);
  bool comparable(const Operand& left, const Operand& right) const;
  std::uint32_t push(const Node& node);
  Truth evaluate(std::uint32_t index, const Value* fields, const Value* attributes) const;
  const Value& get(const Operand& operand, const Value* fields, const Value* attributes) const {
    return operand.from == From::field       ? fields[operand.index]
           : operand.from == From::attribute ? attributes[operand.index]
                                             : constants_[operand.index];
  }

  std::vector<Node> nodes_;
  std::vector<Value> constants_;
  std::shared_ptr<Arena> text_ = std::make_shared<Arena>();  ///< of the constants; shared by copies
  std::uint32_t root_ = 0;
};

}  // namespace weir::sql
