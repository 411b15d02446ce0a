#include "store/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <ostream>
#include <set>
#include <tuple>

#include "store/attribute_index.h"
#include "store/content_files.h"
#include "store/database.h"
#include "store/directory_lock.h"
#include "store/lineage_chunk.h"
#include "store/packing.h"
#include "store/queue_index.h"
#include "store/retained_content.h"
#include "store/schema.h"
#include "store/state_log.h"
#include "store/store.h"

namespace weir::store {

namespace {

class Check {
 public:
  explicit Check(const std::filesystem::path& directory)
      : directory_(directory), lock_(directory), database_(directory / kDatabaseName, Database::Access::read) {
    bool is_new = false;
    check_format(database_, directory / kDatabaseName, is_new);
    if (is_new) throw CannotOpen(fmt::format("{} is empty: nothing has run with it", directory.string()));
  }

  std::vector<Finding> run() {
    part("database", [&] { integrity(); });
    part("names", [&] { names(); });
    part("queues", [&] { queues(); });
    part("entries", [&] { entries(); });
    part("content", [&] { content(); });
    if (has_retained(database_.number("PRAGMA user_version"))) part("retained", [&] { retained(); });
    part("state", [&] { state(); });
    part("lineage", [&] { lineage(); });
    part("attributes", [&] { attributes(); });
    return std::move(findings_);
  }

 private:
  void found(std::string where, std::string what, bool harmless = false) {
    findings_.push_back({std::move(where), std::move(what), harmless});
  }

  /// What one part throws ends that part, not the check.
  template <typename Part>
  void part(const std::string& where, Part body) {
    try {
      body();
    } catch (const std::exception& error) {
      found(where, error.what());
    }
  }

  bool crc_is_right(const std::string& where, std::string_view bytes, std::int64_t crc) {
    if (crc32c(bytes) == static_cast<std::uint32_t>(crc)) return true;
    found(where, "is not what was written: its checksum differs");
    return false;
  }

  void integrity() {
    Statement statement(database_, "PRAGMA integrity_check");
    while (statement.step()) {
      if (statement.text(0) != "ok") found("database", std::string(statement.text(0)));
    }
    if (database_.number("SELECT count(*) FROM header") != 1) found("header", "is missing");
  }

  void names() {
    Statement processors(database_, "SELECT number FROM processors");
    while (processors.step()) processors_.insert(processors.small_integer(0));
    Statement connections(database_, "SELECT number FROM connections");
    while (connections.step()) connections_.insert(connections.small_integer(0));
  }

  void queues() {
    for (const auto& [number, connection] : read_queue_index(database_)) {
      if (const auto problem = inconsistency(connection); !problem.empty()) {
        found(fmt::format("connection {}", connection.id), problem);
      }
    }
  }

  void entries() {
    Statement rows(database_, "SELECT row, connection, first, count, crc, segments, packed FROM entries");
    while (rows.step()) {
      const auto where = fmt::format("queue row {}", rows.integer(0));
      const auto packed = rows.blob(6);
      if (!crc_is_right(where, packed, rows.integer(4))) continue;
      part(where, [&] {
        std::map<std::uint64_t, std::uint64_t> named;
        visit_contents(packed, rows.unsigned_integer(2), rows.small_integer(3),
                       [&](std::uint64_t sequence, const ContentName& name) {
                         auto& end = named[name.segment];
                         end = std::max(end, name.offset + name.size);
                         contents_[name.segment].push_back({rows.small_integer(1), sequence, name});
                       });
        std::map<std::uint64_t, std::uint64_t> declared;
        for (const auto& use : unpack_segments(rows.blob(5))) declared[use.segment] = use.end;
        if (named != declared) found(where, "names other segments than it declares");
      });
    }
  }

  void content() {
    const auto folder = directory_ / kContentFolder;
    std::set<std::uint64_t> there;
    if (std::filesystem::exists(folder)) {
      for (const auto& file : std::filesystem::directory_iterator(folder)) {
        const auto segment = segment_of(file.path());
        const auto where = fmt::format("content/{}", file.path().filename().string());
        if (segment == 0) {
          found(where, "is no content segment", true);
        } else if (!contents_.contains(segment)) {
          found(where, "is named by nothing: the next start removes it", true);
        }
        there.insert(segment);
      }
    }
    for (const auto& [segment, named] : contents_) {
      const auto where = fmt::format("content/{}", segment_name(segment));
      if (!there.contains(segment)) {
        found(where, fmt::format("is missing; {} queued FlowFiles have their content there", named.size()));
        continue;
      }
      std::uint64_t end = 0;
      for (const auto& each : named) end = std::max(end, each.name.offset + each.name.size);
      const auto result = check_segment(Files::of_the_system(), folder / segment_name(segment), end);
      if (!result.problem.empty()) found(where, result.problem);
      for (const auto& each : named) {
        auto piece = result.pieces.upper_bound(each.name.offset);
        const auto is_inside = piece != result.pieces.begin() &&
                               (--piece, each.name.offset + each.name.size <= piece->first + piece->second);
        if (!is_inside) {
          found(where,
                fmt::format("does not hold the content of connection {}, sequence {}", each.connection, each.sequence));
        }
      }
    }
  }

  /// Nothing but replay needs it, and a power cut may take what is in the files: that is no damage.
  void retained() {
    const auto folder = directory_ / kRetainedFolder;
    const auto files = read_retained_files(database_);
    for (const auto& [number, file] : files) {
      const auto where = fmt::format("retained/{}", retained_name(number).string());
      if (!processors_.contains(file.processor)) {
        found(where, fmt::format("belongs to processor {}, which is not there", file.processor));
      }
      for (const auto& range : file.kept) {
        if (!connections_.contains(range.connection)) {
          found(where, fmt::format("names connection {}, which is not there", range.connection));
        }
      }
      if (file.bytes == 0) continue;
      try {
        if (!std::filesystem::exists(folder / retained_name(number))) throw Malformed("it is missing");
        check_retained(*Files::of_the_system().open(folder / retained_name(number)), file.bytes, file.kept);
      } catch (const Malformed& error) {
        found(where, fmt::format("not all of it can be replayed: {}", error.what()), true);
      }
    }
    if (!std::filesystem::exists(folder)) return;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (files.contains(retained_number(entry.path()))) continue;
      found(fmt::format("retained/{}", entry.path().filename().string()),
            retained_number(entry.path()) == 0 ? "is no file of Weir's"
                                               : "is named by nothing: the next start removes it",
            true);
    }
  }

  void state() {
    Statement of(database_,
                 "SELECT DISTINCT row >> 40 FROM (SELECT row FROM state_log UNION SELECT row FROM "
                 "state_snapshot)");
    while (of.step()) {
      const auto processor = of.small_integer(0);
      const auto where = fmt::format("state of processor {}", processor);
      if (!processors_.contains(processor)) found(where, "belongs to no processor");
      part(where, [&] { static_cast<void>(read_state(database_, processor)); });
    }
  }

  void lineage() {
    using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
    std::set<Key> expected;
    Statement chunks(database_, "SELECT chunk, crc, packed FROM lineage");
    while (chunks.step()) {
      const auto chunk = chunks.integer(0);
      const auto where = fmt::format("lineage chunk {}", chunk);
      if (!crc_is_right(where, chunks.blob(2), chunks.integer(1))) continue;
      part(where, [&] {
        IndexRanges ranges;
        for (const auto& row : unpack_chunk(chunks.blob(2))) {
          add_ranges(ranges, row);
          for (const auto connection : {row.in_connection, row.out_connection}) {
            if (connection != 0 && !connections_.contains(connection)) {
              found(where, fmt::format("names connection {}, which is not there", connection));
            }
          }
          if (!processors_.contains(row.processor)) {
            found(where, fmt::format("names processor {}, which is not there", row.processor));
          }
        }
        for (const auto& [key, range] : ranges) {
          expected.insert({static_cast<std::int64_t>(key.first), key.second, span_class(range),
                           static_cast<std::int64_t>(range.first), chunk, static_cast<std::int64_t>(range.last)});
        }
      });
    }
    std::uint64_t strays = 0;
    Statement index(database_, "SELECT kind, id, span, first, chunk, last FROM lineage_index");
    while (index.step()) {
      strays += 1 - expected.erase({index.integer(0), index.integer(1), index.integer(2), index.integer(3),
                                    index.integer(4), index.integer(5)});
    }
    if (strays > 0) found("lineage index", fmt::format("{} entries lead nowhere", strays));
    if (!expected.empty()) found("lineage index", fmt::format("{} entries are missing", expected.size()));
  }

  void attributes() {
    Statement rows(database_, "SELECT row, crc, filter, packed FROM attributes");
    while (rows.step()) {
      const auto where = fmt::format("indexed attributes {}", rows.integer(0));
      if (!crc_is_right(where, rows.blob(3), rows.integer(1))) continue;
      part(where, [&] {
        for_each_attribute(rows.blob(3), {}, {},
                           [&](std::string_view name, std::string_view value, std::uint32_t, std::uint64_t) {
                             if (!may_have(rows.blob(2), name, value)) throw Malformed("the filter hides a value");
                           });
      });
    }
  }

  struct Named {
    std::uint32_t connection;
    std::uint64_t sequence;
    ContentName name;
  };
  const std::filesystem::path directory_;
  const DirectoryLock lock_;
  Database database_;
  std::set<std::uint32_t> processors_;
  std::set<std::uint32_t> connections_;
  std::map<std::uint64_t, std::vector<Named>> contents_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check(const std::filesystem::path& directory) {
  if (!std::filesystem::exists(directory / kDatabaseName)) {
    throw CannotOpen(fmt::format("{} is no data directory of Weir's: it has no {}", directory.string(), kDatabaseName));
  }
  try {
    return Check(directory).run();
  } catch (const DatabaseError& error) {
    return {{kDatabaseName, error.what(), false}};
  }
}

int run_check(const std::filesystem::path& directory, std::ostream& out) {
  try {
    const auto findings = check(directory);
    for (const auto& finding : findings) {
      out << (finding.harmless ? "note: " : "damaged: ") << finding.where << ": " << finding.what << '\n';
    }
    const auto damaged = std::any_of(findings.begin(), findings.end(), [](const auto& each) { return !each.harmless; });
    if (damaged) {
      out << directory.string() << " is damaged: restore it from a backup, or move it away and start anew\n";
      return 1;
    }
    out << directory.string() << " is well\n";
    return 0;
  } catch (const std::exception& error) {
    out << error.what() << '\n';
    return 2;
  }
}

}  // namespace weir::store
