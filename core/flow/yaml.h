#pragma once
// A YAML document as a tree that knows where each of its values stands.
//
// yaml-cpp parses; this layer keeps what its own tree loses and a flow author needs: the place of every value, the
// alias through which it was reached, duplicate keys, and bounds on depth and size, so that no file can do harm.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flow/problem.h"
#include "flow/source.h"

namespace weir::flow {

struct Member;

struct Node {
  enum class Type { null, scalar, list, map };
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

  Type type = Type::null;
  std::string text;             ///< of a scalar
  bool plain = true;            ///< a scalar written without quotes
  std::size_t begin = 0;        ///< offset of its first byte in the source, after anchor and tag
  std::size_t via = kNowhere;   ///< offset of the alias it was reached through
  std::vector<Node> items;      ///< of a list
  std::vector<Member> members;  ///< of a map, in the author's order, keys unique, `<<` merged

  bool is_null() const { return type == Type::null; }
  bool is_scalar() const { return type == Type::scalar; }
  bool is_list() const { return type == Type::list; }
  bool is_map() const { return type == Type::map; }
  /// The value of a key; null if there is none.
  const Node* find(std::string_view key) const;
};

struct Member {
  Node key;
  Node value;
};

/// "a map", "a list", "'text'", "nothing": what an author wrote, for messages.
std::string describe(const Node& node);

/// Writes problems at places of one source.
class Reporter {
 public:
  Reporter(const Source& source, std::vector<Problem>& problems) : source_(source), problems_(problems) {}

  void error(const Node& at, std::string message, std::string expected = {}, std::string nearest = {}) const;
  void warning(const Node& at, std::string message, std::string expected = {}, std::string nearest = {}) const;
  /// At a byte of a scalar's value, found again in the source.
  void error_inside(const Node& scalar, std::size_t offset, std::string message, std::string expected = {},
                    std::string nearest = {}) const;
  void warning_inside(const Node& scalar, std::size_t offset, std::string message, std::string expected = {}) const;
  void error_at(std::size_t offset, std::string message, std::string expected = {}) const;

  Mark mark(const Node& at) const { return source_.mark(at.begin); }
  const Source& source() const { return source_; }

 private:
  Problem& add(Severity severity, std::size_t begin, std::size_t via, std::string message, std::string expected) const;

  const Source& source_;
  std::vector<Problem>& problems_;
};

/// Reads one document. Nothing, and at least one problem, if it is no YAML that Weir takes; a tree and problems if the
/// rest can be judged too (a duplicate key, a tag).
std::optional<Node> parse_yaml(const Source& source, std::vector<Problem>& problems);

/// Where in the source the byte `offset` of a scalar's value stands: through quotes, escapes, folded lines and the
/// indentation of block scalars.
std::size_t source_offset(const Source& source, const Node& scalar, std::size_t offset);

}  // namespace weir::flow
