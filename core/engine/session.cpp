#include "engine/session.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "engine/to_show.h"
#include "weir/spec.h"

namespace weir::engine {

namespace {

const abi::Item& input_item(const SessionInput& in, std::uint32_t index) {
  return in.batch->items[in.offset + index];
}

/// Where an attribute of this name is, or belongs.
std::uint32_t attribute_index(const abi::Item& item, std::string_view name) {
  std::uint32_t i = 0;
  while (i < item.attribute_count && view(item.attributes[i].name) < name) ++i;
  return i;
}

}  // namespace

SessionBuilder::SessionBuilder(const SessionInput& input, WriteContent write_content, void* context)
    : in_(input), write_content_(write_content), context_(context) {
  reset();
}

void SessionBuilder::reset() {
  out_ = Outcome{};
  out_.arena = std::make_shared<store::Arena>();
  out_.inputs.assign(in_.count, Disposition::none);
  marks_.clear();
  journal_.clear();
  state_journal_.clear();
  maps_.clear();
  held_handles_.clear();
  output_bytes_ = 0;
}

const abi::Item* SessionBuilder::inputs() const {
  if (!out_.changed.empty()) return out_.changed.data();
  return in_.batch ? in_.batch->items.data() + in_.offset : nullptr;
}

std::uint64_t SessionBuilder::sequence(std::uint32_t handle) const {
  if (is_input(handle)) return in_.sequences.empty() ? in_.first_sequence + handle : in_.sequences[handle];
  const auto& e = out_.extras.at(handle - in_.count);
  return e.held == abi::kNone ? 0 : (*in_.held)[e.held].sequence;
}

std::uint64_t SessionBuilder::offset(std::uint32_t handle) const {
  if (is_input(handle)) return handle == 0 ? in_.first_offset : 0;
  const auto& e = out_.extras.at(handle - in_.count);
  return e.held == abi::kNone ? 0 : (*in_.held)[e.held].offset;
}

const abi::Item* SessionBuilder::item(std::uint32_t handle) const {
  return is_input(handle) ? inputs() + handle : &out_.extras.at(handle - in_.count).item;
}

Outcome::Extra& SessionBuilder::extra(std::uint32_t handle) {
  if (is_input(handle)) throw std::logic_error("content of an input cannot be changed: create a FlowFile from it");
  auto& e = out_.extras.at(handle - in_.count);
  if (e.held != abi::kNone) throw std::logic_error("content of a held FlowFile cannot be changed: create one from it");
  return e;
}

abi::Text SessionBuilder::content(std::uint32_t handle) {
  const auto& it = *item(handle);
  if ((it.flags & abi::kExternal) == 0) return {it.data, it.size};
  const auto& external = store::external_of(it);
  const auto known =
      std::find_if(maps_.rbegin(), maps_.rend(), [&](const auto& map) { return map.first == &external; });
  if (known != maps_.rend()) return {known->second.get(), external.size};
  maps_.emplace_back(&external, external.file->map(external.offset, external.size));
  return {maps_.back().second.get(), external.size};
}

std::uint64_t SessionBuilder::read(std::uint32_t handle, std::uint64_t offset, char* to, std::uint64_t size) {
  const auto& it = *item(handle);
  if (offset >= it.size) return 0;
  size = std::min(size, it.size - offset);
  if ((it.flags & abi::kExternal) != 0) {
    const auto& external = store::external_of(it);
    return external.file->read(external.offset + offset, to, size);
  }
  std::memcpy(to, it.data + offset, size);
  return size;
}

std::uint32_t SessionBuilder::create(const std::uint32_t* parents, std::uint32_t count) {
  const auto handle = in_.count + static_cast<std::uint32_t>(out_.extras.size());
  Outcome::Extra e;
  e.first_parent = static_cast<std::uint32_t>(out_.parents.size());
  e.item.records = 1;
  e.item.born = in_.now;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto& parent = *item(parents[i]);
    e.item.born = std::min(e.item.born, parent.born);
    if (i == 0) {
      e.item.attributes = parent.attributes;
      e.item.attribute_count = parent.attribute_count;
    }
    if (is_input(parents[i]) || out_.extras[parents[i] - in_.count].held != abi::kNone) {
      out_.parents.push_back(parents[i]);
      continue;
    }
    const auto& created = out_.extras[parents[i] - in_.count];  // made in this session: what it came from counts
    for (std::uint32_t k = 0; k < created.parent_count; ++k)
      out_.parents.push_back(out_.parents[created.first_parent + k]);
  }
  e.parent_count = static_cast<std::uint32_t>(out_.parents.size()) - e.first_parent;
  out_.extras.push_back(std::move(e));
  return handle;
}

void SessionBuilder::flush_staged(Outcome::Large& large) {
  large.writer->append(large.staged);
  large.staged.clear();
}

char* SessionBuilder::append(std::uint32_t handle, std::uint64_t size) {
  auto& e = extra(handle);
  output_bytes_ += size;
  const auto old_size = e.item.size;
  if (!e.large && old_size + size > kSpillContent) {
    e.large = std::make_unique<Outcome::Large>();
    e.large->writer = write_content_(context_);
    if ((e.item.flags & abi::kExternal) != 0) throw std::logic_error("cannot append to content shared from a file");
    e.large->writer->append({e.item.data, old_size});
  }
  e.item.size += size;
  if (e.large) {
    flush_staged(*e.large);
    e.large->staged.resize(size);
    return e.large->staged.data();
  }
  auto* data = const_cast<char*>(e.item.data);
  if (e.capacity - old_size >= size && e.capacity >= old_size) return data + old_size;
  if (e.capacity != 0 && out_.arena->extend(data, e.capacity, old_size + size - e.capacity)) {
    e.capacity = old_size + size;
    return data + old_size;
  }
  const auto capacity = old_size == 0 ? size : std::max(old_size + size, old_size * 2);
  auto* moved = out_.arena->allocate(capacity);
  if (old_size != 0) std::memcpy(moved, data, old_size);
  e.item.data = moved;
  e.capacity = capacity;
  return moved + old_size;
}

void SessionBuilder::shrink(std::uint32_t handle, std::uint64_t size) {
  auto& e = extra(handle);
  if (size > e.item.size) throw std::logic_error("shrink: larger than the content");
  const auto cut = e.item.size - size;
  if (e.large) {
    if (cut > e.large->staged.size())
      throw std::logic_error("shrink: only what the last append added can be cut off large content");
    e.large->staged.resize(e.large->staged.size() - cut);
  } else if (e.capacity != 0) {
    out_.arena->give_back(e.item.data, e.capacity, size);
    e.capacity = size;
  }
  e.item.size = size;
}

void SessionBuilder::share(std::uint32_t handle, std::uint32_t from, std::uint64_t offset, std::uint64_t size) {
  auto& e = extra(handle);
  const auto& source = *item(from);
  if (offset > source.size || size > source.size - offset) throw std::logic_error("share: outside of the content");
  if (!is_input(from) && out_.extras[from - in_.count].large)
    throw std::logic_error("share: content that is being written to a file cannot be shared");
  output_bytes_ += size / 16;  // costs its FlowFile, not its bytes
  e.capacity = 0;
  e.item.size = size;
  if ((source.flags & abi::kExternal) == 0) {
    e.item.data = source.data + offset;
    return;
  }
  const auto& external = store::external_of(source);
  if (size <= 64 * 1024) {  // small parts live in memory, so that they do not keep the file
    auto* to = out_.arena->allocate(size);
    for (std::uint64_t done = 0; done < size;) {
      const auto n = external.file->read(external.offset + offset + done, to + done, size - done);
      if (n == 0) throw std::logic_error("share: the content's file ends early");
      done += n;
    }
    e.item.data = to;
    return;
  }
  const auto* part = out_.arena->add({external.file, external.offset + offset, size});
  e.item.data = static_cast<const char*>(static_cast<const void*>(part));
  e.item.flags |= abi::kExternal;
}

abi::Item& SessionBuilder::writable(std::uint32_t handle) {
  if (!is_input(handle)) return out_.extras.at(handle - in_.count).item;
  if (out_.changed.empty()) {
    const auto* first = &input_item(in_, 0);
    out_.changed.assign(first, first + in_.count);
    out_.attribute_capacity.assign(in_.count, 0);
  }
  if (!marks_.empty()) journal_.push_back(handle);  // undo gives the input back as it came
  return out_.changed[handle];
}

abi::Attribute* SessionBuilder::make_attributes_writable(std::uint32_t handle, std::uint32_t room) {
  auto& it = writable(handle);
  auto& capacity =
      is_input(handle) ? out_.attribute_capacity[handle] : out_.extras[handle - in_.count].attribute_capacity;
  const auto needed = it.attribute_count + room;
  if (needed > 0xffff) throw std::logic_error("a FlowFile has at most 65,535 attributes");
  if (capacity < needed) {
    capacity = needed + 4;
    auto* copy = reinterpret_cast<abi::Attribute*>(
        out_.arena->allocate(capacity * sizeof(abi::Attribute), alignof(abi::Attribute)));
    if (it.attribute_count != 0) std::memcpy(copy, it.attributes, it.attribute_count * sizeof(abi::Attribute));
    it.attributes = copy;
  }
  if (is_input(handle)) out_.attributes_changed = true;
  return const_cast<abi::Attribute*>(it.attributes);
}

void SessionBuilder::set(std::uint32_t handle, abi::Text name, abi::Text value) {
  const auto index = attribute_index(*item(handle), view(name));
  const auto& before = *item(handle);
  const bool exists = index < before.attribute_count && view(before.attributes[index].name) == view(name);
  auto* attributes = make_attributes_writable(handle, exists ? 0 : 1);
  auto& it = writable(handle);
  if (exists) {
    attributes[index].value = out_.arena->copy(view(value));
    return;
  }
  std::memmove(attributes + index + 1, attributes + index, (it.attribute_count - index) * sizeof(abi::Attribute));
  attributes[index] = {out_.arena->copy(view(name)), out_.arena->copy(view(value))};
  ++it.attribute_count;
}

void SessionBuilder::erase(std::uint32_t handle, abi::Text name) {
  const auto index = attribute_index(*item(handle), view(name));
  const auto& before = *item(handle);
  if (index >= before.attribute_count || view(before.attributes[index].name) != view(name)) return;
  auto* attributes = make_attributes_writable(handle, 0);
  auto& it = writable(handle);
  std::memmove(attributes + index, attributes + index + 1, (it.attribute_count - index - 1) * sizeof(abi::Attribute));
  --it.attribute_count;
}

void SessionBuilder::records(std::uint32_t handle, std::uint32_t count) {
  writable(handle).records = count;
}

void SessionBuilder::omit(std::uint32_t handle, std::uint64_t size) {
  auto& e = extra(handle);
  if (e.item.size != 0) throw std::logic_error("omit: content was written already");
  e.item.size = size;
  e.omitted = true;
}

void SessionBuilder::dispose(std::uint32_t handle, Disposition disposition) {
  auto& current = is_input(handle) ? out_.inputs[handle] : out_.extras.at(handle - in_.count).disposition;
  if (current != Disposition::none)
    throw std::logic_error("a FlowFile was transferred, dropped or held twice in one step");
  current = disposition;
  journal_.push_back(handle);
}

void SessionBuilder::transfer(std::uint32_t handle, std::uint32_t relationship) {
  if (!is_input(handle) && out_.extras.at(handle - in_.count).omitted && routed(relationship))
    throw std::logic_error("a FlowFile whose content was omitted was transferred to where it will be read");
  dispose(handle, Disposition::transferred);
  out_.transfers.push_back({relationship, handle});
}

void SessionBuilder::transfer_each(const std::uint32_t* relationship_of_input) {
  out_.transfers.reserve(out_.transfers.size() + in_.count);
  journal_.reserve(journal_.size() + in_.count);
  for (std::uint32_t i = 0; i < in_.count; ++i) {
    if (relationship_of_input[i] == abi::kNone) {
      drop(i, {});
    } else {
      dispose(i, Disposition::transferred);
      out_.transfers.push_back({relationship_of_input[i], i});
    }
  }
}

void SessionBuilder::drop(std::uint32_t handle, abi::Text reason) {
  dispose(handle, Disposition::dropped);
  out_.dropped.emplace_back(handle, harmless(reason));
}

void SessionBuilder::hold(std::uint32_t handle) {
  dispose(handle, Disposition::held);
}

void SessionBuilder::penalize(std::uint32_t handle, std::int64_t nanoseconds) {
  if (!is_input(handle)) throw std::logic_error("only an input can be penalized");
  dispose(handle, Disposition::penalized);
  out_.penalized.emplace_back(handle, nanoseconds);
}

/// The connection of an input or of a held FlowFile, or of what this one was made of.
std::string_view SessionBuilder::came_by(std::uint32_t handle) const {
  if (is_input(handle)) return in_.connection_id;
  const auto& made = out_.extras[handle - in_.count];
  if (made.held == abi::kNone)
    return made.parent_count == 0 ? in_.connection_id : came_by(out_.parents[made.first_parent]);
  for (const auto& [number, id] : in_.came_by) {
    if (number == (*in_.held)[made.held].connection) return id;
  }
  return {};
}

void SessionBuilder::reject(std::uint32_t handle, abi::Text message) {
  if (in_.failure == abi::kNone)
    throw std::logic_error("rejected, but this processor has no relationship `failure`: " + std::string(view(message)));
  const auto set_text = [&](std::string_view name, std::string_view value) {
    set(handle, to_text(name), to_text(value));
  };
  set_text("error.kind", "rejected");
  set_text("error.message", harmless(message));
  set_text("error.processor", in_.processor_name);
  set_text("error.connection", came_by(handle));
  set_text("error.time", std::to_string(in_.now / 1'000'000));
  transfer(handle, in_.failure);
}

void SessionBuilder::consume_until(std::uint32_t handle, std::uint64_t offset) {
  if (!is_input(handle)) throw std::logic_error("only an input can be consumed in part");
  dispose(handle, Disposition::partial);
  out_.partial_offset = offset;
}

bool SessionBuilder::over_budget() const {
  return output_bytes_ >= kBudgetBytes || out_.extras.size() >= kBudgetCount;
}

std::uint32_t SessionBuilder::held_count() const {
  return in_.held == nullptr ? 0 : static_cast<std::uint32_t>(in_.held->size());
}

std::uint32_t SessionBuilder::take_held(std::uint32_t index) {
  if (index >= held_count()) throw std::logic_error("take_held: no such held FlowFile");
  if (held_handles_.empty()) held_handles_.assign(held_count(), abi::kNone);
  if (held_handles_[index] != abi::kNone) return held_handles_[index];
  const auto& held = (*in_.held)[index];
  Outcome::Extra e;
  e.item = held.batch->items[held.index];
  e.held = index;
  const auto handle = in_.count + static_cast<std::uint32_t>(out_.extras.size());
  out_.extras.push_back(std::move(e));
  return held_handles_[index] = handle;
}

std::uint64_t SessionBuilder::mark() {
  marks_.push_back({out_.extras.size(), out_.parents.size(), out_.transfers.size(), out_.penalized.size(),
                    out_.dropped.size(), out_.contributions.size(), journal_.size(), state_journal_.size(),
                    output_bytes_});
  return marks_.size() - 1;
}

void SessionBuilder::undo(std::uint64_t mark) {
  const auto m = marks_.at(mark);
  for (auto i = journal_.size(); i-- > m.journal;) {
    const auto handle = journal_[i];
    if (is_input(handle)) {
      out_.inputs[handle] = Disposition::none;
      if (!out_.changed.empty()) {  // an input's attributes are as they came
        out_.changed[handle] = input_item(in_, handle);
        out_.attribute_capacity[handle] = 0;
      }
    } else if (handle - in_.count < m.extras) {
      out_.extras[handle - in_.count].disposition = Disposition::none;
    }
  }
  journal_.resize(m.journal);
  for (auto& handle : held_handles_) {
    if (handle != abi::kNone && handle - in_.count >= m.extras) handle = abi::kNone;
  }
  out_.extras.erase(out_.extras.begin() + static_cast<std::ptrdiff_t>(m.extras), out_.extras.end());
  out_.parents.resize(m.parents);
  out_.transfers.resize(m.transfers);
  out_.penalized.resize(m.penalized);
  out_.dropped.resize(m.dropped);
  out_.contributions.resize(m.contributions);
  for (auto i = state_journal_.size(); i-- > m.state_journal;) {
    auto& [key, previous] = state_journal_[i];
    if (previous) {
      out_.state[key] = *previous;
    } else {
      out_.state.erase(key);
    }
  }
  state_journal_.resize(m.state_journal);
  output_bytes_ = m.output_bytes;
  marks_.resize(mark);
}

void SessionBuilder::remember_state(std::string_view key) {
  if (marks_.empty()) return;  // nothing can be undone
  const auto at = out_.state.find(key);
  state_journal_.emplace_back(std::string(key), at == out_.state.end() ? std::nullopt : std::optional(at->second));
}

bool SessionBuilder::state_get(abi::Text key, abi::Text* value) {
  if (const auto changed = out_.state.find(view(key)); changed != out_.state.end()) {
    if (!changed->second) return false;
    *value = to_text(*changed->second);
    return true;
  }
  if (in_.state == nullptr) return false;
  const auto at = in_.state->find(view(key));
  if (at == in_.state->end()) return false;
  *value = to_text(at->second);
  return true;
}

void SessionBuilder::state_set(abi::Text key, abi::Text value) {
  remember_state(view(key));
  const auto at = out_.state.lower_bound(view(key));
  if (at != out_.state.end() && at->first == view(key)) {
    at->second.emplace(view(value));
  } else {
    out_.state.emplace_hint(at, view(key), std::string(view(value)));
  }
}

void SessionBuilder::state_erase(abi::Text key) {
  remember_state(view(key));
  out_.state.insert_or_assign(std::string(view(key)), std::nullopt);
}

void SessionBuilder::state_scan(abi::Text from, abi::Text to, abi::StateVisitor* visitor) {
  static const StateMap kEmpty;
  const auto& base = in_.state == nullptr ? kEmpty : *in_.state;
  const auto last = view(to);
  const auto ended = [&](const std::string& key) { return !last.empty() && key >= last; };
  auto old = base.lower_bound(view(from));
  auto changed = out_.state.lower_bound(view(from));
  while (true) {
    const bool has_old = old != base.end() && !ended(old->first);
    const bool has_changed = changed != out_.state.end() && !ended(changed->first);
    if (!has_old && !has_changed) return;
    if (has_changed && (!has_old || changed->first <= old->first)) {
      if (has_old && changed->first == old->first) ++old;
      if (changed->second && !visitor->entry(to_text(changed->first), to_text(*changed->second))) return;
      ++changed;
    } else {
      if (!visitor->entry(to_text(old->first), to_text(old->second))) return;
      ++old;
    }
  }
}

void SessionBuilder::event(abi::Text type, abi::Text transit_uri, abi::Text details) {
  out_.event = Outcome::Event{std::string(view(type)), harmless(transit_uri), harmless(details)};
}

/// What goes into attributes and provenance.
std::string SessionBuilder::harmless(abi::Text text) const {
  static const std::vector<std::string> kNone;
  return to_show(view(text), in_.secrets == nullptr ? kNone : *in_.secrets);
}

void SessionBuilder::contribute(std::uint32_t input, std::uint64_t group) {
  if (!is_input(input)) throw std::logic_error("only an input can contribute to a group");
  out_.contributions.emplace_back(input, group);
}

void SessionBuilder::created_from_group(std::uint32_t handle, std::uint64_t group) {
  auto& e = extra(handle);
  e.group = group;
  e.from_group = true;
}

void SessionBuilder::tick_at(std::int64_t when) {
  if (out_.tick_at == 0 || when < out_.tick_at) out_.tick_at = when;
}

void SessionBuilder::finish() {
  for (const auto parent : out_.parents) {  // a parent's way ends in its children
    auto& disposition = is_input(parent) ? out_.inputs[parent] : out_.extras[parent - in_.count].disposition;
    if (disposition == Disposition::none) disposition = Disposition::dropped;
  }
  for (std::uint32_t i = 0; i < in_.count; ++i) {
    if (out_.inputs[i] == Disposition::partial) break;  // what follows comes again
    if (out_.inputs[i] == Disposition::none)
      throw std::logic_error("input " + std::to_string(sequence(i)) + " was neither transferred, dropped nor held");
  }
  for (auto& e : out_.extras) {
    if (e.disposition == Disposition::none) {
      throw std::logic_error(e.held == abi::kNone
                                 ? "a created FlowFile was neither transferred nor dropped"
                                 : "a held FlowFile was taken up, but neither finished nor held again");
    }
    if (e.large && e.disposition == Disposition::transferred) {
      flush_staged(*e.large);
      const auto* external = out_.arena->add(e.large->writer->finish());
      e.item.data = static_cast<const char*>(static_cast<const void*>(external));
      e.item.flags |= abi::kExternal;
    }
    e.large.reset();
  }
}

}  // namespace weir::engine
