#pragma once
// The files of the web UI: read once into memory, and served from there. A path is looked up among the names of what
// was read, so that no request, however it is written, names any other file.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/http.h"

namespace weir::api {

/// Immutable; any thread.
class Assets {
 public:
  /// All files below `directory`; `x.gz` is what clients get of `x` that understand gzip. None if there is no such
  /// directory. Throws std::filesystem::filesystem_error or std::runtime_error if it cannot be read.
  explicit Assets(const std::filesystem::path& directory);

  /// Without an index.html there is no UI.
  bool empty() const { return !files_.contains("/index.html"); }
  /// Nothing if there is no such file: the request is another's.
  std::optional<Response> answer(const Request& request) const;

 private:
  struct File {
    std::string body;
    std::string gzip;  ///< empty: there is none
    std::string tag;   ///< of an ETag, without quotes
  };
  std::map<std::string, File, std::less<>> files_;  ///< by path: "/index.html"
};

/// Where the UI's files are: WEIR_UI of the environment, `ui` beside the executable (a build), or `../share/weir/ui`
/// from there (an installation). The last one if there is none.
std::filesystem::path ui_directory();

/// Answers with the UI what is the UI's and leaves the rest to `next`. Without a UI, `/` says so and what there is.
Handler with_ui(Handler next, Assets assets);

}  // namespace weir::api
