#pragma once
// What is in core/cli/new_processor, built into the program: see core/CMakeLists.txt.

#include <string_view>
#include <vector>

namespace weir::cli {

struct Template {
  std::string_view file;  ///< its name; as in the text, @Name@ and @name@ stand for that of the processor
  std::string_view text;
};

const std::vector<Template>& new_processor_files();

}  // namespace weir::cli
