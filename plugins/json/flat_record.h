#pragma once
// One flat record in the making: fields by their joined names, no name twice.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::json {

/// A member of an object: its name decoded, its value as the token that stands there.
struct JsonMember {
  std::string name;
  std::string_view token;
};

/// The members of a checked object, in their order. Of several with one name the last counts, in the place of the
/// first.
std::vector<JsonMember> members_of(std::string_view object);

class FlatRecord {
 public:
  /// `last_wins`: a field whose name is taken replaces the other; else it makes add() fail.
  explicit FlatRecord(bool last_wins) : last_wins_(last_wins) {}

  void clear();
  /// The token has to stay where it is until json(). False: the name is taken.
  [[nodiscard]] bool add(const std::string& name, std::string_view token);
  /// The record on one line.
  std::string json() const;

 private:
  const bool last_wins_;
  std::vector<JsonMember> fields_;
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace weir::json
