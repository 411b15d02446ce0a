#include "sql/expression.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

namespace weir::sql {

namespace {

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool starts_name(char c) {
  const char u = upper(c);
  return (u >= 'A' && u <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool in_name(char c) {
  return starts_name(c) || is_digit(c) || c == '$';
}

class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

  std::vector<SqlToken> run() {
    std::vector<SqlToken> tokens;
    do {
      tokens.push_back(next());
    } while (tokens.back().kind != TokenKind::end);
    return tokens;
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  /// False: a comment that does not end.
  bool skip_space() {
    for (;;) {
      while (at_ < sql_.size() && (sql_[at_] == ' ' || (sql_[at_] >= '\t' && sql_[at_] <= '\r'))) ++at_;
      if (peek() == '-' && peek(1) == '-') {
        at_ = std::min(sql_.find('\n', at_), sql_.size());
      } else if (peek() == '/' && peek(1) == '*') {
        const auto end = sql_.find("*/", at_ + 2);
        if (end == std::string_view::npos) return false;
        at_ = end + 2;
      } else {
        return true;
      }
    }
  }

  SqlToken token(TokenKind kind, std::size_t size) {
    SqlToken t{kind, at_, size, std::string(sql_.substr(at_, size))};
    at_ += size;
    return t;
  }

  SqlToken delimited(TokenKind kind, char close) {
    std::string text;
    for (auto i = at_ + 1; i < sql_.size(); ++i) {
      if (sql_[i] != close) {
        text += sql_[i];
      } else if (close != ']' && i + 1 < sql_.size() && sql_[i + 1] == close) {
        text += sql_[++i];
      } else {
        auto t = token(kind, i + 1 - at_);
        t.text = std::move(text);
        return t;
      }
    }
    return token(TokenKind::bad, sql_.size() - at_);
  }

  SqlToken number() {
    std::size_t n = 0;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
      n = 2;
      while (std::isxdigit(static_cast<unsigned char>(peek(n))) != 0) ++n;
    } else {
      while (is_digit(peek(n))) ++n;
      if (peek(n) == '.') ++n;
      while (is_digit(peek(n))) ++n;
      if (peek(n) == 'e' || peek(n) == 'E') {
        const std::size_t sign = peek(n + 1) == '+' || peek(n + 1) == '-' ? 2 : 1;
        if (is_digit(peek(n + sign))) {
          n += sign;
          while (is_digit(peek(n))) ++n;
        }
      }
    }
    return token(in_name(peek(n)) ? TokenKind::bad : TokenKind::number, n);
  }

  SqlToken next() {
    if (!skip_space()) return token(TokenKind::bad, sql_.size() - at_);
    if (at_ >= sql_.size()) return {TokenKind::end, sql_.size(), 0, {}};
    const char c = peek();
    if (c == '\'') return delimited(TokenKind::string, '\'');
    if (c == '"') return delimited(TokenKind::quoted, '"');
    if (c == '`') return delimited(TokenKind::bracketed, '`');
    if (c == '[') return delimited(TokenKind::bracketed, ']');
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    std::size_t n = 1;
    if (starts_name(c)) {
      while (in_name(peek(n))) ++n;
      // A blob literal is opaque to us: SQLite reads it.
      return token(TokenKind::identifier, n);
    }
    if (c == ':' || c == '@' || c == '$' || c == '?') {
      while (in_name(peek(n))) ++n;
      return token(TokenKind::parameter, n);
    }
    constexpr std::array<std::string_view, 10> kLong = {"->>", "->", "||", "<=", ">=", "<>", "!=", "==", "<<", ">>"};
    for (auto symbol : kLong) {
      if (sql_.substr(at_, symbol.size()) == symbol) return token(TokenKind::symbol, symbol.size());
    }
    constexpr std::string_view kSymbols = "+-*/%<>=&|~(),.;";
    return token(kSymbols.find(c) == std::string_view::npos ? TokenKind::bad : TokenKind::symbol, 1);
  }

  std::string_view sql_;
  std::size_t at_ = 0;
};

/// What the parser gives up with; never leaves this file.
struct NotUnderstood {};

/// Precedence climbing with SQLite's operators (lang_expr.html).
class Parser {
 public:
  Parser(const SqlToken* begin, const SqlToken* end, std::string_view sql) : at_(begin), end_(end), sql_(sql) {}

  Expression all() {
    auto result = disjunction();
    if (at_ != end_) throw NotUnderstood();
    return result;
  }

 private:
  static constexpr int kDeepest = 200;
  struct Deeper {
    explicit Deeper(int& depth) : depth_(depth) {
      if (++depth_ > kDeepest) throw NotUnderstood();
    }
    ~Deeper() { --depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    int& depth_;
  };

  const SqlToken& peek(std::size_t ahead = 0) const {
    static const SqlToken none;
    return static_cast<std::size_t>(end_ - at_) > ahead ? at_[ahead] : none;
  }
  bool take(std::string_view symbol) { return peek().is(symbol) && (++at_, true); }
  bool take_word(std::string_view word) { return peek().keyword(word) && (++at_, true); }
  void expect(std::string_view symbol) {
    if (!take(symbol)) throw NotUnderstood();
  }

  static Expression node(Expression::Kind kind, std::vector<Expression> children) {
    Expression e;
    e.kind = kind;
    e.children = std::move(children);
    return e;
  }

  Expression disjunction() {
    const Deeper deeper(depth_);
    auto left = conjunction();
    while (take_word("OR")) {
      left = node(Expression::Kind::disjunction, {std::move(left), conjunction()});
    }
    return left;
  }
  Expression conjunction() {
    auto left = negation();
    while (take_word("AND")) left = node(Expression::Kind::conjunction, {std::move(left), negation()});
    return left;
  }
  Expression negation() {
    const Deeper deeper(depth_);
    if (peek().keyword("NOT") && !peek(1).keyword("EXISTS")) {
      ++at_;
      return node(Expression::Kind::negation, {negation()});
    }
    return equality();
  }
  Expression equality() {
    auto left = relation();
    for (;;) {
      if (take("=") || take("==")) {
        left = compared(Comparison::equal, std::move(left), relation());
      } else if (take("!=") || take("<>")) {
        left = compared(Comparison::not_equal, std::move(left), relation());
      } else if (take_word("ISNULL")) {
        left = null_test(std::move(left), false);
      } else if (take_word("NOTNULL")) {
        left = null_test(std::move(left), true);
      } else if (take_word("IS")) {
        const bool negated = take_word("NOT");
        if (take_word("NULL")) {
          left = null_test(std::move(left), negated);
        } else {
          if (take_word("DISTINCT") && !take_word("FROM")) throw NotUnderstood();
          left = node(Expression::Kind::logic, {std::move(left), relation()});
        }
      } else if (peek().keyword("NOT") && peek(1).keyword("NULL")) {
        at_ += 2;
        left = null_test(std::move(left), true);
      } else {
        const bool negated = peek().keyword("NOT");
        const auto& word = peek(negated ? 1 : 0);
        const bool pattern =
            word.keyword("LIKE") || word.keyword("GLOB") || word.keyword("REGEXP") || word.keyword("MATCH");
        if (!pattern && !word.keyword("IN") && !word.keyword("BETWEEN")) return left;
        at_ += negated ? 2 : 1;
        if (pattern) {
          std::vector<Expression> operands;
          operands.push_back(std::move(left));
          operands.push_back(relation());
          if (take_word("ESCAPE")) operands.push_back(relation());
          left = node(Expression::Kind::logic, std::move(operands));
        } else if (word.keyword("IN")) {
          left = in(std::move(left), negated);
        } else {
          auto low = relation();
          if (!take_word("AND")) throw NotUnderstood();
          left = node(Expression::Kind::between, {std::move(left), std::move(low), relation()});
          left.negated = negated;
        }
      }
    }
  }
  static Expression compared(Comparison comparison, Expression left, Expression right) {
    auto e = node(Expression::Kind::comparison, {std::move(left), std::move(right)});
    e.comparison = comparison;
    return e;
  }
  static Expression null_test(Expression operand, bool negated) {
    auto e = node(Expression::Kind::is_null, {std::move(operand)});
    e.negated = negated;
    return e;
  }
  Expression in(Expression left, bool negated) {
    if (!peek().is("(") || peek(1).keyword("SELECT") || peek(1).keyword("WITH") || peek(1).keyword("VALUES")) {
      // A table or a subquery.
      if (peek().is("(")) {
        parentheses();
      } else if (peek().is_name()) {
        ++at_;
        if (take(".")) ++at_;
        if (peek().is("(")) parentheses();
      } else {
        throw NotUnderstood();
      }
      return node(Expression::Kind::logic, {std::move(left)});
    }
    ++at_;
    std::vector<Expression> operands;
    operands.push_back(std::move(left));
    if (!take(")")) {
      do {
        operands.push_back(disjunction());
      } while (take(","));
      expect(")");
    }
    auto e = node(Expression::Kind::in, std::move(operands));
    e.negated = negated;
    return e;
  }
  Expression relation() {
    auto left = sum();
    for (;;) {
      if (take("<=")) {
        left = compared(Comparison::less_equal, std::move(left), sum());
      } else if (take(">=")) {
        left = compared(Comparison::greater_equal, std::move(left), sum());
      } else if (take("<")) {
        left = compared(Comparison::less, std::move(left), sum());
      } else if (take(">")) {
        left = compared(Comparison::greater, std::move(left), sum());
      } else {
        return left;
      }
    }
  }
  /// Arithmetic, bits, concatenation and JSON access: values that only SQLite computes.
  Expression sum() {
    auto left = unary();
    for (;;) {
      bool operation = false;
      for (auto symbol : {"+", "-", "*", "/", "%", "&", "|", "<<", ">>", "||", "->", "->>"}) {
        if (peek().is(symbol)) operation = true;
      }
      if (operation) {
        ++at_;
        left = node(Expression::Kind::opaque, {std::move(left), unary()});
      } else if (take_word("COLLATE")) {
        if (!peek().is_name()) throw NotUnderstood();
        ++at_;
        left = node(Expression::Kind::opaque, {std::move(left)});
      } else {
        return left;
      }
    }
  }
  Expression unary() {
    const Deeper deeper(depth_);
    if (peek().is("-") && peek(1).kind == TokenKind::number) {
      const auto from = peek().offset;
      at_ += 2;
      Expression e;
      e.kind = Expression::Kind::constant;
      e.text = sql_.substr(from, at_[-1].offset + at_[-1].size - from);
      return e;
    }
    if (take("-") || take("+") || take("~")) return node(Expression::Kind::opaque, {unary()});
    return primary();
  }
  Expression constant() {
    Expression e;
    e.kind = Expression::Kind::constant;
    e.text = sql_.substr(peek().offset, peek().size);
    ++at_;
    return e;
  }
  void parentheses() {
    expect("(");
    for (int open = 1; open != 0; ++at_) {
      if (at_ == end_) throw NotUnderstood();
      if (peek().is("(")) ++open;
      if (peek().is(")")) --open;
    }
  }
  Expression primary() {
    const auto& token = peek();
    switch (token.kind) {
      case TokenKind::number:
      case TokenKind::string:
        return constant();
      case TokenKind::symbol:
        if (!token.is("(")) throw NotUnderstood();
        if (peek(1).keyword("SELECT") || peek(1).keyword("WITH") || peek(1).keyword("VALUES")) {
          return parentheses(), Expression();
        } else {
          ++at_;
          auto inside = disjunction();
          if (take(",")) {  // a row value
            --at_;
            while (take(",")) disjunction();
            inside = Expression();
          }
          expect(")");
          return inside;
        }
      case TokenKind::quoted:
      case TokenKind::bracketed:
        return name();
      case TokenKind::identifier:
        break;
      default:
        throw NotUnderstood();
    }
    if (token.keyword("NULL")) return constant();
    if (token.keyword("TRUE") || token.keyword("FALSE")) {
      auto e = constant();
      e.truth = true;
      return e;
    }
    if (token.keyword("CASE")) {
      int open = 0;
      do {
        if (at_ == end_) throw NotUnderstood();
        if (peek().keyword("CASE")) ++open;
        if (peek().keyword("END")) --open;
        ++at_;
      } while (open != 0);
      return {};
    }
    if ((token.keyword("EXISTS") && peek(1).is("(")) || (token.keyword("NOT") && peek(1).keyword("EXISTS"))) {
      at_ += token.keyword("NOT") ? 2 : 1;
      parentheses();
      return node(Expression::Kind::logic, {});
    }
    if (peek(1).is("(")) return call();
    if (peek(1).kind == TokenKind::string && token.keyword("X")) return at_ += 2, Expression();
    for (auto word : {"CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP"}) {
      if (token.keyword(word)) return ++at_, Expression();
    }
    for (auto word :
         {"AND", "OR", "IN", "IS", "BETWEEN", "SELECT", "FROM", "WHERE", "AS", "THEN", "WHEN", "ELSE", "END", "NOT"}) {
      if (token.keyword(word)) throw NotUnderstood();
    }
    return name();
  }
  Expression name() {
    Expression e;
    if (!peek().is_name()) throw NotUnderstood();
    e.kind = Expression::Kind::field;
    e.text = peek().text;
    // Double quotes around what is no field is refused later; only SQLite's answer says which it is.
    if (peek().kind == TokenKind::quoted) e.kind = Expression::Kind::opaque;
    ++at_;
    if (!take(".")) return e;
    if (e.kind != Expression::Kind::field || !equal_ignoring_case(e.text, "record")) e.kind = Expression::Kind::opaque;
    if (!peek().is_name()) throw NotUnderstood();
    if (peek().kind == TokenKind::quoted) e.kind = Expression::Kind::opaque;
    e.text = peek().text;
    ++at_;
    if (peek().is(".")) throw NotUnderstood();
    return e;
  }
  Expression call() {
    const auto function = peek().text;
    if (peek(2).kind == TokenKind::string && peek(3).is(")") && !peek(4).keyword("OVER") &&
        !peek(4).keyword("FILTER")) {
      Expression e;
      e.text = peek(2).text;
      if (equal_ignoring_case(function, "field")) {
        e.kind = Expression::Kind::field;
        e.exact = true;
      } else if (equal_ignoring_case(function, "has")) {
        e.kind = Expression::Kind::has;
      } else if (equal_ignoring_case(function, "attr")) {
        e.kind = Expression::Kind::attribute;
      }
      if (e.kind != Expression::Kind::opaque) return at_ += 4, e;
    }
    ++at_;
    parentheses();
    if (take_word("FILTER")) parentheses();
    if (take_word("OVER")) {
      if (peek().is("(")) {
        parentheses();
      } else {
        ++at_;
      }
    }
    return {};
  }

  const SqlToken* at_;
  const SqlToken* end_;
  std::string_view sql_;
  int depth_ = 0;
};

}  // namespace

bool SqlToken::keyword(std::string_view word) const {
  return kind == TokenKind::identifier && equal_ignoring_case(text, word);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return upper(x) == upper(y); });
}

namespace {
std::string delimited(std::string_view text, char quote) {
  std::string result(1, quote);
  for (char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  return result += quote;
}
}  // namespace

std::string quoted_text(std::string_view text) {
  return delimited(text, '\'');
}
std::string quoted_name(std::string_view name) {
  return delimited(name, '"');
}

std::vector<SqlToken> tokenize(std::string_view sql) {
  return Lexer(sql).run();
}

bool Expression::boolean() const {
  switch (kind) {
    case Kind::has:
    case Kind::conjunction:
    case Kind::disjunction:
    case Kind::negation:
    case Kind::comparison:
    case Kind::in:
    case Kind::between:
    case Kind::is_null:
    case Kind::logic:
      return true;
    case Kind::constant:
      return truth;
    default:
      return false;
  }
}

Expression parse_expression(const SqlToken* begin, const SqlToken* end, std::string_view sql) {
  try {
    return Parser(begin, end, sql).all();
  } catch (const NotUnderstood&) {
    return {};
  }
}

Expression parse_expression(std::string_view sql) {
  const auto tokens = tokenize(sql);
  return parse_expression(tokens.data(), tokens.data() + tokens.size() - 1, sql);
}

}  // namespace weir::sql
