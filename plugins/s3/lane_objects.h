#pragma once
// The objects that an S3Sink has open in a lane (weir/lane.h): files of this machine, which go with the lane.

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugins/common/partitioned_sink.h"
#include "spool.h"

namespace weir::s3 {

/// Complete, and not yet with the store.
struct LaneObject {
  std::uint64_t number = 0;
  std::string key;
  std::string file;
};

/// All objects of a lane are complete together, when the first of them is. There may be any number of them, of which
/// `max_open` have their files open. What throws leaves it of no use.
class LaneObjects final : public file::Targets {
 public:
  /// `max_bytes`: with so many they are complete, whatever else the options say.
  LaneObjects(SpoolOptions options, const std::string& folder, std::uint64_t max_bytes);

  /// The number of the next one, and what its key is marked with.
  void begin_at(std::uint64_t number, const std::string& label);

  file::OutputFile& at(const std::string& path, std::int64_t now) override;
  file::OutputFile& separate(const std::string& path, std::int64_t now) override;
  void end_separate() override;
  void roll_if_full() override;

  bool empty() const { return open_.empty() && aside_.empty() && complete_.empty(); }
  bool due(std::int64_t now) const;
  /// When they will be due by the clock; none: never.
  std::optional<std::int64_t> next_due() const;
  /// Completes all, and hands them over with their files.
  std::vector<LaneObject> take();
  std::uint64_t next_number() const { return next_number_; }

 private:
  struct Open {
    std::string path;  ///< rendered
    LaneObject object;
    file::OutputFile output;
  };
  using List = std::list<Open>;
  /// Without an open file.
  struct Aside {
    LaneObject object;
    file::OutputState state;
  };

  Open begin(const std::string& path, std::int64_t now);
  Open open(const std::string& path, LaneObject object, file::OutputState state, int flags) const;
  void put_aside(List::iterator open);
  void complete(Open& open);
  void close(List::iterator open);

  SpoolOptions options_;
  const std::string folder_;
  const std::uint64_t max_bytes_;
  List open_;  ///< the one not used for longest first
  std::unordered_map<std::string, List::iterator> by_path_;
  std::unordered_map<std::string, Aside> aside_;  ///< by path
  std::uint64_t aside_bytes_ = 0;
  std::optional<Open> separate_;
  std::vector<LaneObject> complete_;
  std::unordered_map<std::string, std::size_t> by_key_;  ///< of complete_, where the path is the key
  std::uint64_t complete_bytes_ = 0;
  std::int64_t began_ = 0;  ///< the first of them
  std::int64_t last_used_ = 0;
  std::uint64_t next_number_ = 1;
};

}  // namespace weir::s3
