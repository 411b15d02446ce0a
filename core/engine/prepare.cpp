#include "engine/prepare.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include "weir/spec.h"

namespace weir::engine {

namespace {

using store::EventType;
using store::LineageRow;
using store::Shape;

EventType event_type(std::string_view name, EventType otherwise) {
  static constexpr std::array<std::pair<std::string_view, EventType>, 13> kNames{{
      {"CREATE", EventType::create},
      {"RECEIVE", EventType::receive},
      {"FETCH", EventType::fetch},
      {"SEND", EventType::send},
      {"FORK", EventType::fork},
      {"JOIN", EventType::join},
      {"CLONE", EventType::clone},
      {"ROUTE", EventType::route},
      {"CONTENT_MODIFIED", EventType::content_modified},
      {"ATTRIBUTES_MODIFIED", EventType::attributes_modified},
      {"DROP", EventType::drop},
      {"EXPIRE", EventType::expire},
      {"REPLAY", EventType::replay},
  }};
  for (const auto& [text, type] : kNames) {
    if (text == name) return type;
  }
  return otherwise;
}

std::uint64_t bytes_of(const std::vector<std::shared_ptr<const store::Arena>>& arenas) {
  std::uint64_t bytes = 0;
  for (const auto& arena : arenas) bytes += arena->bytes();
  return bytes;
}

/// Gives the items attributes of their own in `arena`, so that they need nothing else.
void copy_attributes(store::Batch& batch, store::Arena& arena) {
  const abi::Attribute* last_from = nullptr;  // attributes are often shared by neighbours
  const abi::Attribute* last_to = nullptr;
  for (auto& item : batch.items) {
    if (item.attribute_count == 0) continue;
    if (item.attributes != last_from) {
      last_from = item.attributes;
      auto* copy = reinterpret_cast<abi::Attribute*>(
          arena.allocate(item.attribute_count * sizeof(abi::Attribute), alignof(abi::Attribute)));
      for (std::uint32_t i = 0; i < item.attribute_count; ++i)
        copy[i] = {arena.copy(view(item.attributes[i].name)), arena.copy(view(item.attributes[i].value))};
      last_to = copy;
    }
    item.attributes = last_to;
  }
}

/// One FlowFile must not pin a large arena: where little of it is still used, the survivors are copied out.
void copy_out_survivors(store::Batch& batch, std::uint64_t used) {
  if (bytes_of(batch.arenas) < 256 * 1024 + 8 * used) return;
  auto arena = std::make_shared<store::Arena>();
  for (auto& item : batch.items) {
    if ((item.flags & abi::kExternal) != 0) {
      item.data = static_cast<const char*>(static_cast<const void*>(arena->add(store::external_of(item))));
    } else {
      item.data = arena->copy({item.data, item.size}).data;
    }
  }
  copy_attributes(batch, *arena);
  batch.arenas.assign(1, std::move(arena));
}

class Preparation {
 public:
  Preparation(const Instance& instance, Prepared& prepared, std::int64_t duration)
      : instance_(instance), p_(prepared), out_(p_.session->outcome()), in_(p_.session->input()), duration_(duration) {}

  void settle_inputs() {
    p_.settled = in_.count;
    for (std::uint32_t i = 0; i < in_.count; ++i) {
      if (out_.inputs[i] != Disposition::partial) continue;
      p_.settled = i;
      p_.partial_offset = out_.partial_offset;
      break;
    }
    for (std::uint32_t i = 0; i < p_.settled; ++i) {
      const auto& item = in_.batch->items[in_.offset + i];
      p_.in_bytes += item.size;
      p_.in_records += item.records;
    }
  }

  /// Inputs on their way to a relationship with `retry:` are put aside until their attempts are used up.
  void divert_retries(const std::vector<std::uint32_t>& attempts) {
    for (const auto& [input, delay] : out_.penalized)
      p_.retries.push_back({input, attempts.empty() ? 0 : attempts[input], delay});
    if (instance_.definition().retries.empty()) return;
    std::erase_if(out_.transfers, [&](const Outcome::Transfer& transfer) {
      if (transfer.handle >= in_.count) return false;
      const auto retry = instance_.definition().retries.find(transfer.relationship);
      if (retry == instance_.definition().retries.end()) return false;
      const auto tried = attempts.empty() ? 0 : attempts[transfer.handle];
      if (tried >= retry->second.attempts) return false;
      const auto backoff =
          std::min(retry->second.max_backoff.count(), retry->second.backoff.count() << std::min(tried, 20U));
      p_.retries.push_back({transfer.handle, tried + 1, backoff});
      return true;
    });
  }

  void outputs() {
    const auto& transfers = out_.transfers;
    if (transfers.empty()) return;
    const bool whole = in_.count != 0 && transfers.size() == in_.count && out_.extras.empty() && out_.changed.empty() &&
                       std::all_of(transfers.begin(), transfers.end(), [&, i = 0U](const Outcome::Transfer& t) mutable {
                         return t.handle == i++ && t.relationship == transfers.front().relationship;
                       });
    if (whole) {  // everything goes on as it came: the batch itself is shared
      auto& output = p_.outputs.emplace_back();
      output.relationship = transfers.front().relationship;
      output.batch = in_.batch;
      output.offset = in_.offset;
      output.count = in_.count;
      output.bytes = p_.in_bytes;
      output.records = p_.in_records;
      handles_.resize(in_.count);
      for (std::uint32_t i = 0; i < in_.count; ++i) handles_[i] = i;
      record(output);
      return;
    }
    std::uint32_t most = 0;
    for (const auto& transfer : transfers) most = std::max(most, transfer.relationship);
    for (std::uint32_t relationship = 0; relationship <= most; ++relationship) {
      handles_.clear();
      for (const auto& transfer : transfers) {
        if (transfer.relationship == relationship) handles_.push_back(transfer.handle);
      }
      if (!handles_.empty()) output(relationship);
    }
  }

  /// FlowFiles that end here: sent, dropped, or counted into a group.
  void ends() {
    if (!out_.contributions.empty()) {
      auto& row = row_of(EventType::join);
      row.in_first = in_.first_sequence;
      row.in_count = p_.settled;
      for (auto& [input, group] : out_.contributions) group += instance_.first_group();
      store::encode_group_in(row, out_.contributions);
    }
    std::vector<std::uint32_t> sent;
    std::map<std::string, std::vector<std::uint32_t>> dropped;
    const bool sends = out_.event && out_.event->type == "SEND";
    std::vector<bool> contributed;
    if (!out_.contributions.empty()) {
      contributed.resize(in_.count);
      for (const auto& [input, group] : out_.contributions) contributed[input] = true;
    }
    for (auto& [handle, reason] : out_.dropped) {
      if (sends && reason.empty()) {
        sent.push_back(handle);
      } else if (handle >= contributed.size() || !contributed[handle]) {
        dropped[reason].push_back(handle);
      }
    }
    if (!sent.empty()) end(EventType::send, sent, out_.event->details);
    for (const auto& [reason, handles] : dropped) end(EventType::drop, handles, reason);
  }

 private:
  const abi::Item& item(std::uint32_t handle) const { return *p_.session->item(handle); }

  void output(std::uint32_t relationship) {
    auto& output = p_.outputs.emplace_back();
    output.relationship = relationship;
    auto batch = std::make_shared<store::Batch>();
    batch->items.reserve(handles_.size());
    bool from_held = false;
    bool own_content = true;  // nothing but attributes points into the inputs' memory
    for (const auto handle : handles_) {
      const auto& it = item(handle);
      batch->items.push_back(it);
      output.bytes += it.size;
      output.records += it.records;
      from_held |= handle >= in_.count;
      own_content = own_content && handle >= in_.count && is_own(out_.extras[handle - in_.count]);
    }
    output.count = static_cast<std::uint32_t>(handles_.size());
    if (!instance_.routed[relationship]) return record(output);  // nobody reads it
    if (in_.batch && own_content && bytes_of(in_.batch->arenas) > 64 * 1024) {
      auto attributes = std::make_shared<store::Arena>();
      copy_attributes(*batch, *attributes);
      batch->arenas.push_back(std::move(attributes));
      from_held = false;
    } else if (in_.batch) {
      batch->arenas = in_.batch->arenas;
    }
    if (!out_.arena->empty()) batch->arenas.push_back(out_.arena);
    if (from_held && in_.held != nullptr) {  // what was taken up, and what shares its memory
      const store::Batch* last = nullptr;    // neighbours came together
      for (const auto& e : out_.extras) {
        if (e.held == abi::kNone) continue;
        const auto* held = (*in_.held)[e.held].batch.get();
        if (std::exchange(last, held) == held) continue;
        for (const auto& arena : held->arenas) batch->arenas.push_back(arena);
      }
      std::sort(batch->arenas.begin(), batch->arenas.end());
      batch->arenas.erase(std::unique(batch->arenas.begin(), batch->arenas.end()), batch->arenas.end());
    }
    copy_out_survivors(*batch, output.bytes + 64 * output.count);
    output.batch = std::move(batch);
    record(output);
  }

  /// What was transferred to a relationship that no connection leaves ends here, and so do the parents of what was
  /// created for it.
  void record(PreparedOutput& output) {
    if (instance_.routed[output.relationship]) {
      output.rows = lineage(handles_, output);
      return;
    }
    std::vector<std::uint32_t> ended;
    for (const auto handle : handles_) {
      if (handle < in_.count || out_.extras[handle - in_.count].held != abi::kNone) {
        ended.push_back(handle);
        continue;
      }
      const auto& e = out_.extras[handle - in_.count];
      for (std::uint32_t i = 0; i < e.parent_count; ++i) ended.push_back(out_.parents[e.first_parent + i]);
    }
    std::sort(ended.begin(), ended.end());
    ended.erase(std::unique(ended.begin(), ended.end()), ended.end());
    end(EventType::drop, ended, "auto-terminated: " + instance_.definition().relationships[output.relationship]);
  }

  /// Whether it was created in this session with content that was written, not shared.
  static bool is_own(const Outcome::Extra& extra) {
    return extra.held == abi::kNone &&
           (extra.item.size == 0 || extra.capacity != 0 || (extra.item.flags & abi::kExternal) != 0);
  }

  LineageRow new_row(EventType type) const {
    LineageRow row;
    row.type = type;
    row.processor = instance_.number();
    row.in_connection = in_.connection;
    row.time = in_.now;
    row.duration = duration_;
    if (out_.event) row.transit_uri = out_.event->transit_uri;
    return row;
  }

  LineageRow& row_of(EventType type) { return p_.ends.emplace_back(new_row(type)); }

  /// A parent's place: the connection and its sequence there.
  std::pair<std::uint32_t, std::uint64_t> origin(std::uint32_t handle) const {
    if (handle < in_.count) return {in_.connection, p_.session->sequence(handle)};
    const auto& held = (*in_.held)[out_.extras[handle - in_.count].held];
    return {held.connection, held.sequence};
  }

  std::vector<LineageRow> lineage(const std::vector<std::uint32_t>& handles, const PreparedOutput& output) {
    std::vector<LineageRow> rows;
    const bool ordered = in_.sequences.empty();  // inputs are a range of their connection
    bool created = false, orphans = false, groups = false, single = ordered;
    parents_.clear();
    for (const auto handle : handles) {
      if (handle < in_.count) {
        parents_.push_back(handle);
        continue;
      }
      const auto& e = out_.extras[handle - in_.count];
      created |= e.held == abi::kNone;
      if (e.from_group) {
        groups = true;
      } else if (e.held != abi::kNone) {
        single = false;
      } else if (e.parent_count == 0) {
        orphans = true;
      } else if (e.parent_count == 1 && out_.parents[e.first_parent] < in_.count) {
        parents_.push_back(out_.parents[e.first_parent]);
      } else {
        single = false;
      }
    }
    const auto finish_row = [&](LineageRow& row) {
      row.out_count = handles.size();
      row.bytes = output.bytes;
      if (out_.event) row.details = out_.event->details;
    };
    if (groups) {
      auto& row = rows.emplace_back(new_row(EventType::join));
      std::vector<std::uint64_t> of;
      for (const auto handle : handles)
        of.push_back(handle < in_.count ? 0 : instance_.first_group() + out_.extras[handle - in_.count].group);
      row.in_connection = 0;
      store::encode_group_out(row, of);
      finish_row(row);
      return rows;
    }
    if (orphans) {
      auto& row = rows.emplace_back(new_row(event_type(out_.event ? out_.event->type : "", EventType::create)));
      row.in_connection = 0;
      finish_row(row);
      return rows;
    }
    if (single) {
      auto type = out_.attributes_changed ? EventType::attributes_modified : EventType::route;
      if (created) {
        const bool several = std::adjacent_find(parents_.begin(), parents_.end()) != parents_.end();
        type = several ? EventType::fork : EventType::content_modified;
      }
      auto& row = rows.emplace_back(new_row(out_.event ? event_type(out_.event->type, type) : type));
      row.in_first = in_.first_sequence;
      row.in_count = p_.settled;
      // An input that was consumed in part has children too.
      if (p_.settled < in_.count)
        row.in_count = std::max(row.in_count, parents_.empty() ? 0 : std::uint64_t{parents_.back()} + 1);
      store::encode_parents(row, parents_);
      finish_row(row);
      return rows;
    }
    // Several parents, or parents of other sessions: by their sequences, for each connection they came by.
    std::map<std::uint32_t, std::vector<std::vector<std::uint64_t>>> by_connection;
    const auto add = [&](std::size_t output_index, std::uint32_t parent) {
      const auto [connection, sequence] = origin(parent);
      auto& lists = by_connection[connection];
      lists.resize(handles.size());
      lists[output_index].push_back(sequence);
    };
    for (std::size_t i = 0; i < handles.size(); ++i) {
      if (handles[i] < in_.count || out_.extras[handles[i] - in_.count].held != abi::kNone) {
        add(i, handles[i]);
        continue;
      }
      const auto& e = out_.extras[handles[i] - in_.count];
      for (std::uint32_t k = 0; k < e.parent_count; ++k) add(i, out_.parents[e.first_parent + k]);
    }
    for (auto& [connection, lists] : by_connection) {
      for (auto& list : lists) std::sort(list.begin(), list.end());
      auto& row = rows.emplace_back(new_row(created ? EventType::join : EventType::route));
      row.in_connection = connection;
      store::encode_merge(row, lists);
      finish_row(row);
    }
    return rows;
  }

  void end(EventType type, const std::vector<std::uint32_t>& handles, const std::string& details) {
    std::map<std::uint32_t, std::vector<std::pair<std::uint64_t, std::uint64_t>>> by_connection;  // sequence, bytes
    for (const auto handle : handles) {
      if (handle >= in_.count && out_.extras[handle - in_.count].held == abi::kNone) continue;  // created and dropped
      const auto [connection, sequence] = origin(handle);
      by_connection[connection].emplace_back(sequence, item(handle).size);
    }
    for (auto& [connection, entries] : by_connection) {
      std::sort(entries.begin(), entries.end());
      for (std::size_t i = 0; i < entries.size();) {  // a row for each run of neighbours
        auto& row = row_of(type);
        row.in_connection = connection;
        row.in_first = entries[i].first;
        row.details = details;
        for (; i < entries.size() && entries[i].first == row.in_first + row.in_count; ++i) {
          ++row.in_count;
          row.bytes += entries[i].second;
        }
      }
    }
  }

  const Instance& instance_;
  Prepared& p_;
  Outcome& out_;
  const SessionInput& in_;
  std::int64_t duration_;
  std::vector<std::uint32_t> handles_;
  std::vector<std::uint32_t> parents_;
};

}  // namespace

Prepared prepare(const Instance& instance, std::unique_ptr<SessionBuilder> session,
                 const std::vector<std::uint32_t>& attempts, std::int64_t duration) {
  Prepared prepared;
  prepared.session = std::move(session);
  prepared.busy = duration;
  Preparation preparation(instance, prepared, duration);
  preparation.settle_inputs();
  preparation.divert_retries(attempts);
  preparation.outputs();
  preparation.ends();
  return prepared;
}

}  // namespace weir::engine
