#include "store/provenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <stdexcept>

#include "store/attribute_index.h"
#include "store/intervals.h"
#include "store/lineage_blocks.h"
#include "store/lineage_reader.h"
#include "store/names.h"
#include "store/schema.h"

namespace weir::store {

namespace {

constexpr std::array<std::string_view, 13> kTypeNames = {
    "CREATE", "RECEIVE", "FETCH", "SEND", "FORK", "JOIN", "CLONE", "ROUTE", "CONTENT_MODIFIED", "ATTRIBUTES_MODIFIED",
    "DROP",   "EXPIRE",  "REPLAY"};

using Places = std::map<std::uint32_t, Intervals>;  ///< by connection

void add(Places& places, std::uint32_t connection, const Intervals& intervals) {
  auto& all = places[connection];
  all.insert(all.end(), intervals.begin(), intervals.end());
}

std::uint32_t number_of(const std::map<std::uint32_t, std::string>& names, const std::string& name,
                        std::string_view what) {
  std::vector<std::string> all;
  for (const auto& [number, known] : names) {
    if (known == name) return number;
    all.push_back(known);
  }
  throw std::invalid_argument(unknown_name(what, name, all));
}

/// That of the name, and of what is called so in lanes. None for an empty name.
std::set<std::uint32_t> numbers_of(const std::map<std::uint32_t, std::string>& names, const std::string& name,
                                   std::string_view what) {
  std::set<std::uint32_t> numbers;
  if (name.empty()) return numbers;
  for (const auto& [number, known] : names) {
    if (known == name || name_in_flow(known) == name) numbers.insert(number);
  }
  if (numbers.empty()) numbers.insert(number_of(names, name, what));  // which says that there is none
  return numbers;
}

}  // namespace

std::string_view name_of(EventType type) {
  return kTypeNames.at(static_cast<std::size_t>(type));
}

std::optional<EventType> event_type(std::string_view name) {
  const auto found = std::find(kTypeNames.begin(), kTypeNames.end(), name);
  if (found == kTypeNames.end()) return std::nullopt;
  return static_cast<EventType>(found - kTypeNames.begin());
}

std::optional<Place> parse_place(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::uint64_t sequence = 0;
  const auto* end = text.data() + text.size();
  const auto result = std::from_chars(text.data() + colon + 1, end, sequence);
  if (result.ec != std::errc() || result.ptr != end || colon + 1 == text.size()) return std::nullopt;
  return Place{std::string(text.substr(0, colon)), sequence};
}

/// One question: what it has found so far, and the walk over the lineage.
class Provenance::Reading {
 public:
  Reading(const std::filesystem::path& file, const std::string& vfs) : file_(file.string()), reader_(file, vfs) {}

  /// Runs a question on one epoch; what goes wrong below becomes an IoError.
  template <typename Question>
  auto ask(Question question) {
    struct End {
      LineageReader& reader;
      bool began = false;
      ~End() {
        if (!began) return;
        try {
          reader.end();
        } catch (const DatabaseError&) {  // it was not in a transaction any more
        }
      }
    };
    try {
      End end{reader_};
      reader_.begin();
      end.began = true;
      summary_ = {};
      return question();
    } catch (const Malformed& error) {
      throw IoError(fmt::format("{}: provenance is damaged: {}: run `weir check`", file_, error.what()));
    } catch (const DatabaseError& error) {
      throw IoError(fmt::format("{}: reading provenance: {}", file_, error.what()));
    }
  }

  ProvenanceSummary events(const EventFilter& filter, const std::function<bool(const ProvenanceEvent&)>& visit);
  ProvenanceSummary walk(const Place& place, bool back, const std::function<bool(const LineageStep&)>& visit,
                         const LineageLimits& limits);
  std::vector<std::pair<std::uint32_t, std::uint64_t>> find(const std::string& attribute, const std::string& value,
                                                            std::uint64_t limit);
  LineageReader& reader() { return reader_; }

 private:
  std::string connection_name(std::uint32_t number) const {
    const auto found = reader_.connections().find(number);
    return number == 0 ? "" : found == reader_.connections().end() ? fmt::format("#{}", number) : found->second;
  }
  ProvenanceEvent event_of(const LineageRow& row) const {
    const auto processor = reader_.processors().find(row.processor);
    return {row.type,
            processor == reader_.processors().end() ? fmt::format("#{}", row.processor) : processor->second,
            row.time,
            row.duration,
            row.bytes,
            connection_name(row.in_connection),
            {row.in_first, row.in_count},
            connection_name(row.out_connection),
            {row.out_first, row.out_count},
            row.transit_uri,
            row.details};
  }

  void step(const LineageRow& row, std::uint32_t in_connection, Intervals inputs, Intervals outputs) {
    if (ended_) return;
    if (summary_.found == limits_.steps) {
      ended_ = summary_.limited = true;
      return;
    }
    LineageStep step{depth_, event_of(row), std::move(inputs), std::move(outputs)};
    if (in_connection != row.in_connection) {  // a group's, whose inputs are in rows of their own
      step.event.in_connection = connection_name(in_connection);
      const auto first = step.inputs.front().first;
      step.event.inputs = {first, step.inputs.back().first + step.inputs.back().count - first};
    }
    ++summary_.found;
    if (!(*visit_)(step)) ended_ = summary_.limited = true;
  }

  void back_from(std::uint32_t connection, const Interval& outputs, Places& next);
  void back_from_group(const LineageRow& row, const Intervals& outputs, Places& next);
  void forward_from(std::uint32_t connection, const Interval& inputs, Places& next);
  void forward_from_group(const LineageRow& row, const Interval& inputs, Places& next);

  std::string file_;
  LineageReader reader_;
  ProvenanceSummary summary_;
  LineageLimits limits_;
  std::uint32_t depth_ = 0;
  bool ended_ = false;
  const std::function<bool(const LineageStep&)>* visit_ = nullptr;
};

ProvenanceSummary Provenance::Reading::walk(const Place& place, bool back,
                                            const std::function<bool(const LineageStep&)>& visit,
                                            const LineageLimits& limits) {
  const auto start = number_of(reader_.connections(), place.connection, "connection");
  limits_ = limits;
  visit_ = &visit;
  ended_ = false;
  Places frontier{{start, {{place.sequence, 1}}}};
  Places seen = frontier;
  for (depth_ = 1; !frontier.empty() && !ended_; ++depth_) {
    if (depth_ > limits.depth) {
      summary_.limited = true;
      break;
    }
    Places next;
    for (const auto& [connection, intervals] : frontier) {
      for (const auto& each : intervals) {
        if (ended_) break;
        back ? back_from(connection, each, next) : forward_from(connection, each, next);
      }
    }
    frontier.clear();
    for (auto& [connection, intervals] : next) {
      // What was reached by two ways, a clone's join, is followed once.
      auto& known = seen[connection];
      auto fresh = without(normalized(std::move(intervals)), known);
      if (fresh.empty()) continue;
      known.insert(known.end(), fresh.begin(), fresh.end());
      known = normalized(std::move(known));
      frontier[connection] = std::move(fresh);
    }
  }
  return summary_;
}

void Provenance::Reading::back_from(std::uint32_t connection, const Interval& outputs, Places& next) {
  Intervals covered;
  for (const auto chunk : reader_.chunks(IndexKind::outputs, connection, outputs)) {
    const auto rows = reader_.rows(chunk);
    for (const auto& row : *rows) {
      if (row.out_connection != connection) continue;
      const auto here = intersection({{row.out_first, row.out_count}}, outputs);
      if (here.empty()) continue;
      covered.insert(covered.end(), here.begin(), here.end());
      if (row.shape == Shape::group_out) {
        back_from_group(row, here, next);
        continue;
      }
      auto parents = parents_of(row, here.front());
      if (row.in_connection != 0 && parents.empty()) continue;
      if (!parents.empty()) add(next, row.in_connection, parents);
      step(row, row.in_connection, std::move(parents), here);
    }
  }
  for (const auto& hole : without({outputs}, normalized(std::move(covered)))) {
    if (reader_.is_removed(IndexKind::outputs, connection, hole.first)) summary_.removed_by_retention = true;
  }
}

void Provenance::Reading::back_from_group(const LineageRow& row, const Intervals& outputs, Places& next) {
  Places members;
  for (const auto& groups : groups_of(row, outputs.front())) {
    if (reader_.is_removed(IndexKind::contributions, row.processor, groups.first)) {
      summary_.removed_by_retention = true;
    }
    for (const auto chunk : reader_.chunks(IndexKind::contributions, row.processor, groups)) {
      const auto rows = reader_.rows(chunk);
      for (const auto& each : *rows) {
        if (each.shape != Shape::group_in || each.processor != row.processor) continue;
        if (auto in = members_of(each, groups); !in.empty()) add(members, each.in_connection, in);
      }
    }
  }
  if (members.empty()) step(row, row.in_connection, {}, outputs);
  for (auto& [connection, intervals] : members) {
    intervals = normalized(std::move(intervals));
    add(next, connection, intervals);
    step(row, connection, intervals, outputs);
  }
}

void Provenance::Reading::forward_from(std::uint32_t connection, const Interval& inputs, Places& next) {
  if (reader_.is_removed(IndexKind::inputs, connection, inputs.first)) summary_.removed_by_retention = true;
  for (const auto chunk : reader_.chunks(IndexKind::inputs, connection, inputs)) {
    const auto rows = reader_.rows(chunk);
    for (const auto& row : *rows) {
      if (row.in_connection != connection) continue;
      auto concerned = concerned_inputs(row, inputs);
      if (concerned.empty()) continue;
      auto children = children_of(row, inputs);
      if (!children.empty()) add(next, row.out_connection, children);
      step(row, connection, std::move(concerned), std::move(children));
      if (row.shape == Shape::group_in) forward_from_group(row, inputs, next);
    }
  }
}

void Provenance::Reading::forward_from_group(const LineageRow& row, const Interval& inputs, Places& next) {
  for (const auto& groups : groups_of(row, inputs)) {
    for (const auto chunk : reader_.chunks(IndexKind::group_outputs, row.processor, groups)) {
      const auto rows = reader_.rows(chunk);
      for (const auto& each : *rows) {
        if (each.shape != Shape::group_out || each.processor != row.processor) continue;
        auto outputs = members_of(each, groups);
        if (outputs.empty()) continue;
        add(next, each.out_connection, outputs);
        auto members = intersection(members_of(row, groups), inputs);
        step(each, row.in_connection, std::move(members), std::move(outputs));
      }
    }
  }
}

std::vector<std::pair<std::uint32_t, std::uint64_t>> Provenance::Reading::find(const std::string& attribute,
                                                                               const std::string& value,
                                                                               std::uint64_t limit) {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> result;
  Statement newest_first(reader_.database(), "SELECT filter, packed, crc FROM attributes ORDER BY row DESC");
  while (result.size() < limit && newest_first.step()) {
    if (!may_have(newest_first.blob(0), attribute, value)) continue;
    const auto packed = newest_first.blob(1);
    if (crc32c(packed) != static_cast<std::uint32_t>(newest_first.integer(2))) {
      throw Malformed("indexed attributes are not what was written");
    }
    const auto begin = static_cast<std::ptrdiff_t>(result.size());
    for_each_attribute(packed, attribute, value,
                       [&](std::string_view, std::string_view, std::uint32_t connection, std::uint64_t sequence) {
                         result.emplace_back(connection, sequence);
                       });
    std::reverse(result.begin() + begin, result.end());
  }
  if (result.size() > limit) result.resize(limit);
  return result;
}

ProvenanceSummary Provenance::Reading::events(const EventFilter& filter,
                                              const std::function<bool(const ProvenanceEvent&)>& visit) {
  const auto processors = numbers_of(reader_.processors(), filter.processor, "processor");
  const auto connections = numbers_of(reader_.connections(), filter.connection, "connection");
  const auto from = filter.from.value_or(std::numeric_limits<std::int64_t>::min());
  const auto to = filter.to.value_or(std::numeric_limits<std::int64_t>::max());
  // False: enough.
  const auto consider = [&](const LineageRow& row) {
    if ((!processors.empty() && !processors.contains(row.processor)) || (filter.type && row.type != *filter.type) ||
        (!connections.empty() && !connections.contains(row.in_connection) &&
         !connections.contains(row.out_connection)) ||
        row.time < from || row.time >= to || row.transit_uri.find(filter.transit) == std::string::npos) {
      return true;
    }
    if (summary_.found == filter.limit) {
      summary_.limited = true;
      return false;
    }
    ++summary_.found;
    if (visit(event_of(row))) return true;
    summary_.limited = true;
    return false;
  };
  summary_.removed_by_retention = reader_.any_removed();
  if (!filter.attribute.empty()) {
    std::set<std::pair<std::int64_t, std::size_t>> given;
    for (const auto& [of, sequence] : find(filter.attribute, filter.value, std::numeric_limits<std::uint64_t>::max())) {
      for (const auto chunk : reader_.chunks(IndexKind::outputs, of, {sequence, 1})) {
        const auto rows = reader_.rows(chunk);
        for (std::size_t i = 0; i < rows->size(); ++i) {
          const auto& row = (*rows)[i];
          if (row.out_connection != of || sequence < row.out_first || sequence - row.out_first >= row.out_count)
            continue;
          if (given.emplace(chunk, i).second && !consider(row)) return summary_;
        }
      }
    }
    return summary_;
  }
  for (auto chunk = reader_.previous(std::numeric_limits<std::int64_t>::max(), from, to); chunk;
       chunk = reader_.previous(*chunk, from, to)) {
    const auto rows = reader_.rows(*chunk);
    for (auto row = rows->rbegin(); row != rows->rend(); ++row) {
      if (!consider(*row)) return summary_;
    }
  }
  return summary_;
}

Provenance::Provenance(const std::filesystem::path& directory, const std::string& vfs) {
  const auto file = directory / kDatabaseName;
  if (!std::filesystem::exists(file)) {
    throw CannotOpen(fmt::format("{} is no data directory of Weir's: it has no {}", directory.string(), kDatabaseName));
  }
  try {
    {
      Database database(file, Database::Access::read, vfs);
      bool is_new = false;
      check_format(database, file, is_new);
      if (is_new) throw CannotOpen(fmt::format("{} is empty: nothing has run with it", directory.string()));
    }
    reading_ = std::make_unique<Reading>(file, vfs);
  } catch (const DatabaseError& error) {
    throw CannotOpen(fmt::format("{}: {}: run `weir check`", file.string(), error.what()));
  }
}

Provenance::~Provenance() = default;

ProvenanceSummary Provenance::events(const EventFilter& filter,
                                     const std::function<bool(const ProvenanceEvent&)>& visit) {
  return reading_->ask([&] { return reading_->events(filter, visit); });
}

ProvenanceSummary Provenance::ancestors(const Place& place, const std::function<bool(const LineageStep&)>& visit,
                                        const LineageLimits& limits) {
  return reading_->ask([&] { return reading_->walk(place, true, visit, limits); });
}

ProvenanceSummary Provenance::descendants(const Place& place, const std::function<bool(const LineageStep&)>& visit,
                                          const LineageLimits& limits) {
  return reading_->ask([&] { return reading_->walk(place, false, visit, limits); });
}

std::vector<Place> Provenance::find(const std::string& attribute, const std::string& value, std::uint64_t limit) {
  return reading_->ask([&] {
    std::vector<Place> places;
    for (const auto& [connection, sequence] : reading_->find(attribute, value, limit)) {
      const auto name = reading_->reader().connections().find(connection);
      if (name != reading_->reader().connections().end()) places.push_back({name->second, sequence});
    }
    return places;
  });
}

}  // namespace weir::store
