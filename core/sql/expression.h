#pragma once
// SQL text as this module looks at it itself: its tokens, and the outline of an expression. SQLite remains the judge
// of what SQL is; what the parser here does not know becomes an opaque node, and costs speed only.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

enum class TokenKind {
  identifier,  ///< bare
  quoted,      ///< in double quotes
  bracketed,   ///< in [] or ``
  string,
  number,
  parameter,
  symbol,  ///< an operator or punctuation
  bad,     ///< an unterminated string or comment, or a character that SQL does not have
  end,
};

struct SqlToken {
  TokenKind kind = TokenKind::end;
  std::size_t offset = 0;
  std::size_t size = 0;
  std::string text;  ///< a name or string without its quotes; else as written

  bool is(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
  /// Whether it is this keyword (given in capitals).
  bool keyword(std::string_view word) const;
  bool is_name() const {
    return kind == TokenKind::identifier || kind == TokenKind::quoted || kind == TokenKind::bracketed;
  }
};

/// The tokens, without comments and white space; the last one is `end`.
std::vector<SqlToken> tokenize(std::string_view sql);

bool equal_ignoring_case(std::string_view a, std::string_view b);

/// 'text' with its quotes doubled.
std::string quoted_text(std::string_view text);
/// "name" with its quotes doubled.
std::string quoted_name(std::string_view name);

enum class Comparison { equal, not_equal, less, less_equal, greater, greater_equal };

struct Expression {
  enum class Kind {
    constant,   ///< `text` is its SQL; a number, a string, NULL, TRUE or FALSE, with a sign perhaps
    field,      ///< a field named `text`
    has,        ///< has('text')
    attribute,  ///< attr('text')
    conjunction,
    disjunction,
    negation,
    comparison,
    in,       ///< children: what is looked for, then the constants of the list
    between,  ///< three children
    is_null,
    logic,   ///< something else that is true or false
    opaque,  ///< anything else
  };
  Kind kind = Kind::opaque;
  Comparison comparison = Comparison::equal;
  bool negated = false;  ///< of in, between, is_null
  bool exact = false;    ///< of a field: named by field('x'), so that case counts
  bool truth = false;    ///< of a constant: TRUE or FALSE
  std::string text;
  std::vector<Expression> children;

  /// Whether its result is true or false rather than a number.
  bool boolean() const;
};

/// The outline of an expression; opaque if it is not understood as a whole.
Expression parse_expression(std::string_view sql);
Expression parse_expression(const SqlToken* begin, const SqlToken* end, std::string_view sql);

}  // namespace weir::sql
