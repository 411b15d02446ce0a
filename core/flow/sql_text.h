#pragma once
// SQL as text: enough of its grammar to know what is code, what is a string and what a comment.

#include <string>
#include <string_view>
#include <vector>

namespace weir::flow {

enum class SqlPart { code, text, identifier, comment };

/// A run of characters of one kind, or a single parenthesis of code.
struct SqlToken {
  SqlPart part = SqlPart::code;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Cuts SQL into strings, quoted identifiers, comments and the code between them. What is not closed ends with the
/// text.
std::vector<SqlToken> sql_tokens(std::string_view sql);

/// The end of a `$(SQL)`, past its closing parenthesis, given the offset of what follows `$(`; npos if it never closes.
std::size_t end_of_expression(std::string_view text, std::size_t begin);

/// 'text', its quotes doubled.
std::string sql_literal(std::string_view text);

}  // namespace weir::flow
