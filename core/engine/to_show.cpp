#include "engine/to_show.h"

#include <algorithm>

#include "flow/settings.h"

namespace weir::engine {

std::string to_show(std::string_view message, const std::vector<std::string>& secrets) {
  constexpr std::string_view kSpace = " \t\r\n";
  auto text = flow::masked(std::string(message), secrets);
  if (text.find_first_of("\r\n") == std::string::npos) return text;  // as nearly all, of each FlowFile that is dropped
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const auto word = std::min(text.find_first_not_of(kSpace, at), text.size());
    const auto gap = std::string_view(text).substr(at, word - at);
    if (gap.find_first_of("\r\n") == std::string_view::npos) {
      line += gap;
    } else if (!line.empty() && word < text.size()) {
      line += ' ';
    }
    at = std::min(text.find_first_of(kSpace, word), text.size());
    line.append(text, word, at - word);
  }
  return line;
}

}  // namespace weir::engine
