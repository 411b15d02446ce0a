#include "sql/predicate.h"

namespace weir::sql {

namespace {

Truth truth(bool value) {
  return value ? Truth::yes : Truth::no;
}

bool holds(Comparison comparison, int order) {
  switch (comparison) {
    case Comparison::equal:
      return order == 0;
    case Comparison::not_equal:
      return order != 0;
    case Comparison::less:
      return order < 0;
    case Comparison::less_equal:
      return order <= 0;
    case Comparison::greater:
      return order > 0;
    case Comparison::greater_equal:
      return order >= 0;
  }
  return false;
}

bool holds(Comparison comparison, double a, double b) {
  switch (comparison) {
    case Comparison::equal:
      return a == b;
    case Comparison::not_equal:
      return a != b;
    case Comparison::less:
      return a < b;
    case Comparison::less_equal:
      return a <= b;
    case Comparison::greater:
      return a > b;
    case Comparison::greater_equal:
      return a >= b;
  }
  return false;
}

/// The comparison that holds for (b, a) when `comparison` holds for (a, b).
Comparison mirrored(Comparison comparison) {
  switch (comparison) {
    case Comparison::less:
      return Comparison::greater;
    case Comparison::less_equal:
      return Comparison::greater_equal;
    case Comparison::greater:
      return Comparison::less;
    case Comparison::greater_equal:
      return Comparison::less_equal;
    default:
      return comparison;
  }
}

bool exact_as_double(std::int64_t value) {
  return value >= -(1LL << 53) && value <= 1LL << 53;
}

Truth negate(Truth value) {
  return value == Truth::yes ? Truth::no : value == Truth::no ? Truth::yes : value;
}

}  // namespace

std::optional<Predicate> Predicate::compile(const Expression& expression, const PredicateScope& scope) {
  Predicate predicate;
  if (!expression.boolean() || !predicate.add(expression, scope, predicate.root_)) return std::nullopt;
  return predicate;
}

std::uint32_t Predicate::push(const Node& node) {
  nodes_.push_back(node);
  return static_cast<std::uint32_t>(nodes_.size() - 1);
}

bool Predicate::operand(const Expression& expression, const PredicateScope& scope, Operand& result) {
  switch (expression.kind) {
    case Expression::Kind::field:
      if (const auto field = scope.field(expression)) {
        result = {From::field, field->first, field->second};
        return true;
      }
      return false;
    case Expression::Kind::attribute:
      result = {From::attribute, scope.attribute(expression.text), FieldType::any};
      return true;
    case Expression::Kind::constant:
      if (const auto value = scope.constant(expression.text, *text_)) {
        result = {From::constant, static_cast<std::uint32_t>(constants_.size()), FieldType::any};
        constants_.push_back(*value);
        return true;
      }
      return false;
    default:
      return false;
  }
}

/// Whether SQLite compares the two as they are. It gives a declared number, integer or boolean column a numeric
/// affinity, a declared text or time column the text affinity, and converts the other side where that may apply
/// (datatype3.html, 4.2). A constant and an attribute have no affinity.
bool Predicate::comparable(const Operand& left, const Operand& right) const {
  const auto numeric = [](const Operand& o) {
    return o.from == From::field &&
           (o.type == FieldType::number || o.type == FieldType::integer || o.type == FieldType::boolean);
  };
  const auto text = [](const Operand& o) {
    return o.from == From::field && (o.type == FieldType::text || o.type == FieldType::time);
  };
  const auto never_text = [&](const Operand& o) {
    if (o.from == From::constant) return constants_[o.index].type != ValueType::text;
    return numeric(o);  // an integer beyond 64 bits is text: evaluate() looks for it
  };
  const auto never_number = [&](const Operand& o) {
    if (o.from == From::constant)
      return constants_[o.index].type == ValueType::text || constants_[o.index].type == ValueType::null;
    return text(o) || o.from == From::attribute;
  };
  if (numeric(left) || numeric(right)) return never_text(left) && never_text(right);
  const bool both_fields = left.from == From::field && right.from == From::field;
  if (text(left) || text(right)) return both_fields || (never_number(left) && never_number(right));
  return true;
}

bool Predicate::add_comparison(Comparison comparison, const Expression& left, const Expression& right,
                               const PredicateScope& scope, std::uint32_t& index) {
  Node node;
  node.op = Op::compare;
  node.comparison = comparison;
  if (!operand(left, scope, node.left) || !operand(right, scope, node.right)) return false;
  if (node.left.from == From::constant) {
    if (node.right.from == From::constant) return false;
    std::swap(node.left, node.right);
    node.comparison = mirrored(comparison);
  }
  if (!comparable(node.left, node.right)) return false;
  if (node.left.from == From::field && node.left.type == FieldType::number && node.right.from == From::constant &&
      constants_[node.right.index].type == ValueType::real) {
    node.op = Op::compare_real;
    node.real = constants_[node.right.index].real;
  } else if (node.left.from == From::field && node.left.type == FieldType::number &&
             node.right.from == From::constant && constants_[node.right.index].type == ValueType::integer &&
             exact_as_double(constants_[node.right.index].integer)) {
    node.op = Op::compare_real;  // exact as a double
    node.real = static_cast<double>(constants_[node.right.index].integer);
  }
  index = push(node);
  return true;
}

bool Predicate::add(const Expression& expression, const PredicateScope& scope, std::uint32_t& index) {
  Node node;
  switch (expression.kind) {
    case Expression::Kind::conjunction:
    case Expression::Kind::disjunction:
      node.op = expression.kind == Expression::Kind::conjunction ? Op::both : Op::either;
      if (!add(expression.children[0], scope, node.first) || !add(expression.children[1], scope, node.second))
        return false;
      break;
    case Expression::Kind::negation:
      node.op = Op::negation;
      if (!add(expression.children[0], scope, node.first)) return false;
      break;
    case Expression::Kind::comparison:
      return add_comparison(expression.comparison, expression.children[0], expression.children[1], scope, index);
    case Expression::Kind::between: {
      node.op = Op::both;
      if (!add_comparison(Comparison::greater_equal, expression.children[0], expression.children[1], scope,
                          node.first) ||
          !add_comparison(Comparison::less_equal, expression.children[0], expression.children[2], scope, node.second)) {
        return false;
      }
      break;
    }
    case Expression::Kind::in: {
      node.op = Op::in;
      node.negated = expression.negated;
      if (!operand(expression.children[0], scope, node.left) || node.left.from == From::constant) return false;
      node.first = static_cast<std::uint32_t>(constants_.size());
      for (std::size_t i = 1; i < expression.children.size(); ++i) {
        if (expression.children[i].kind != Expression::Kind::constant) return false;
        if (!operand(expression.children[i], scope, node.right) || !comparable(node.left, node.right)) return false;
      }
      node.second = static_cast<std::uint32_t>(constants_.size());
      index = push(node);
      return true;
    }
    case Expression::Kind::is_null:
      node.op = Op::is_null;
      node.negated = expression.negated;
      if (!operand(expression.children[0], scope, node.left) || node.left.from == From::constant) return false;
      break;
    case Expression::Kind::has: {
      node.op = Op::has;
      Expression named;
      named.kind = Expression::Kind::field;
      named.exact = true;
      named.text = expression.text;
      if (!operand(named, scope, node.left)) return false;
      break;
    }
    case Expression::Kind::field:
      node.op = Op::truth;
      if (!operand(expression, scope, node.left)) return false;
      break;
    case Expression::Kind::constant: {
      node.op = Op::constant;
      if (!operand(expression, scope, node.left)) return false;
      const auto& value = constants_[node.left.index];
      if (value.type == ValueType::text) return false;
      node.value = value.type == ValueType::null ? Truth::null : truth(value.real != 0);
      break;
    }
    default:
      return false;
  }
  index = push(node);
  if (expression.kind == Expression::Kind::between && expression.negated) {
    Node negation;
    negation.op = Op::negation;
    negation.first = index;
    index = push(negation);
  }
  return true;
}

Truth Predicate::evaluate(std::uint32_t index, const Value* fields, const Value* attributes) const {
  const auto& node = nodes_[index];
  switch (node.op) {
    case Op::compare_real: {
      const auto& value = fields[node.left.index];
      return value.type == ValueType::null ? Truth::null : truth(holds(node.comparison, value.real, node.real));
    }
    case Op::compare: {
      const auto& left = get(node.left, fields, attributes);
      const auto& right = get(node.right, fields, attributes);
      if (left.type == ValueType::null || right.type == ValueType::null) return Truth::null;
      const auto big = [](const Operand& o, const Value& v) {
        return o.type == FieldType::integer && v.type == ValueType::text;
      };
      if (big(node.left, left) || big(node.right, right)) return Truth::unknown;
      return truth(holds(node.comparison, compare(left, right)));
    }
    case Op::both: {
      const auto first = evaluate(node.first, fields, attributes);
      if (first == Truth::no) return Truth::no;
      const auto second = evaluate(node.second, fields, attributes);
      if (second == Truth::no) return Truth::no;
      if (first == Truth::unknown || second == Truth::unknown) return Truth::unknown;
      return first == Truth::null || second == Truth::null ? Truth::null : Truth::yes;
    }
    case Op::either: {
      const auto first = evaluate(node.first, fields, attributes);
      if (first == Truth::yes) return Truth::yes;
      const auto second = evaluate(node.second, fields, attributes);
      if (second == Truth::yes) return Truth::yes;
      if (first == Truth::unknown || second == Truth::unknown) return Truth::unknown;
      return first == Truth::null || second == Truth::null ? Truth::null : Truth::no;
    }
    case Op::negation:
      return negate(evaluate(node.first, fields, attributes));
    case Op::in: {
      if (node.first == node.second) return truth(node.negated);
      const auto& value = get(node.left, fields, attributes);
      if (value.type == ValueType::null) return Truth::null;
      if (node.left.type == FieldType::integer && value.type == ValueType::text) return Truth::unknown;
      bool null = false;
      for (auto i = node.first; i < node.second; ++i) {
        if (constants_[i].type == ValueType::null) {
          null = true;
        } else if (compare(value, constants_[i]) == 0) {
          return truth(!node.negated);
        }
      }
      return null ? Truth::null : truth(node.negated);
    }
    case Op::is_null:
      return truth((get(node.left, fields, attributes).type == ValueType::null) != node.negated);
    case Op::has:
      return truth(fields[node.left.index].raw.size != 0);
    case Op::truth: {
      const auto& value = fields[node.left.index];
      if (value.type == ValueType::null) return Truth::null;
      if (value.type == ValueType::text || value.type == ValueType::json) return Truth::unknown;
      return truth(value.real != 0);
    }
    case Op::constant:
      return node.value;
  }
  return Truth::unknown;
}

}  // namespace weir::sql
