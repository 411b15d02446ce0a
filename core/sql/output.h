#pragma once
// Writing records: the bytes of what was not asked to change stay as they are.

#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

/// A member of an object, as it stands in its text.
struct Member {
  std::string name;
  std::string_view key;    ///< with its quotes
  std::string_view value;  ///< raw
};

/// The members of one JSON object, in order. Throws std::runtime_error if it is none: every byte is checked.
std::vector<Member> members_of(std::string_view object);

/// A change to an object: the member's new value as JSON, or its removal.
struct Edit {
  std::string_view name;
  std::string_view value;
  bool remove = false;
};

/// Appends `object` with the edits made. A member that is there gets its new value in its place (of several of one
/// name the last, which is the one that counts); a new one comes last; removal takes all of its name. All other
/// bytes, white space included, are copied. Throws as members_of does.
void append_edited(std::string& to, std::string_view object, const std::vector<Edit>& edits);

}  // namespace weir::sql
