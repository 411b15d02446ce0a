#pragma once
// Finds the elements that a path selects in what a JsonScanner reports: where each begins and ends.
//
// A document may name a member twice; the last one counts, everywhere in Weir. So what a first one held is known to be
// void only later: survey() reads everything, counts, and notes the void ranges; matches of a second scan skip them.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "json_path.h"
#include "json_scanner.h"

namespace weir::json {

/// An element, as a range of bytes. `name` is set for a member of an object that [*] selected.
struct Match {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool named = false;
  std::string_view name;
};

/// The path selects what it names if it has a wildcard; else the elements or members of the one value that it names.
/// Without a path, the records of the content: the elements of an array, else each document.
class PathMatcher final : public JsonEvents {
 public:
  /// Bounds of what is remembered about repeated names. Beyond them the document is refused, not misread.
  static constexpr std::size_t kMaxVoidRanges = 1000;
  static constexpr std::size_t kMaxMembers = 1'000'000;

  using Visit = std::function<bool(const Match&)>;  ///< false pauses the scan behind the element

  /// `first`: the first byte of the content that is no white space; it decides what "no path" means.
  PathMatcher(const std::optional<JsonPath>& path, char first, bool surveying, Visit visit);

  /// How deep the scanner has to report.
  std::uint32_t report_depth() const { return static_cast<std::uint32_t>(steps_.size()); }

  /// Elements so far that are not void.
  std::uint64_t count() const { return count_; }
  const std::map<std::uint64_t, std::uint64_t>& void_ranges() const { return void_; }
  /// In a second scan: what the survey found.
  void skip(std::map<std::uint64_t, std::uint64_t> void_ranges) { void_ = std::move(void_ranges); }
  /// The scan goes on inside of these containers, all of which the path selected.
  void resume(std::string_view containers);

  void name(std::uint32_t depth, std::string_view name) override;
  void begin(std::uint32_t depth, ValueKind kind, std::uint64_t offset) override;
  bool end(std::uint32_t depth, std::uint64_t offset) override;

 private:
  /// What is known of the container at some depth, and of the value in it that is being read.
  struct Level {
    bool selected = false;  ///< the value at this depth is on the path
    bool object = false;
    std::uint64_t next_index = 0;
    std::string name;                       ///< of the member being read
    std::uint64_t begin = 0;                ///< of the value at this depth
    std::uint64_t count_before = 0;         ///< elements found before it
    std::optional<std::uint64_t> named_at;  ///< where the member that a name step selects was first found
    std::uint64_t count_before_named = 0;
    struct Member {
      std::uint64_t begin, end, count;
    };
    std::unordered_map<std::string, Member> members;  ///< of an object under a wildcard
  };

  bool selects(std::uint32_t depth);
  void note_repeated(std::uint32_t depth, std::uint64_t offset);
  void make_void(std::uint64_t begin, std::uint64_t end);
  bool is_void(std::uint64_t offset) const;

  std::vector<PathStep> steps_;
  std::string text_;
  bool definite_;
  bool surveying_;
  Visit visit_;
  std::vector<Level> levels_;
  std::uint64_t count_ = 0;
  std::map<std::uint64_t, std::uint64_t> void_;  ///< begin to end

  // Of a definite path, in the current document.
  bool found_ = false;
  std::string trouble_;
};

}  // namespace weir::json
