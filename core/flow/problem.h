#pragma once
// What is wrong with a flow file, said for the person who wrote it.

#include <string>
#include <vector>

#include "flow/definition.h"

namespace weir::flow {

enum class Severity { error, warning };

/// One thing that is wrong, and where. All problems of a load are reported at once.
struct Problem {
  Severity severity = Severity::error;
  Mark mark;
  int length = 1;        ///< characters that the problem covers, from the mark on
  std::string message;   ///< what is wrong, quoting what was found
  std::string expected;  ///< what would be right; may be empty
  std::string nearest;   ///< the valid name that is nearest to the one found; may be empty
  Mark via;              ///< the alias through which the place was reached; line 0: none
  std::string source;    ///< the line the mark is on, as it stands in the file
};

/// One line: `flow.yaml:12:5: error: MqttSource has no property 'topik'; did you mean 'topic'?`
std::string to_string(const Problem& problem);

/// As to_string, then the source line with the problem underlined, and what to do about it.
std::string to_text(const Problem& problem);

inline bool has_errors(const std::vector<Problem>& problems) {
  for (const auto& problem : problems) {
    if (problem.severity == Severity::error) return true;
  }
  return false;
}

}  // namespace weir::flow
