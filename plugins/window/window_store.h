#pragma once
// Windows by key: the accumulators of a step in a hash table, those of all time in the processor's state.
//
// A step finds each accumulator once in the state, adds to it in memory, and writes it back once. State entries:
//
//   o <end> <start> <key>   group, revisions, changed, accumulator     a window that has not fired, or has to again
//   f <end> <start> <key>   the same                                   fired, kept for the allowed lateness
//   n <end> <start>         group                                      where all keys of a window share one
//   g                       the next group
//
// Numbers are big-endian, so what is due is found by a scan from the front.

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes.h"
#include "hash.h"
#include "weir/session.h"
#include "windows.h"

namespace weir::window {

template <class Accumulator>
class WindowStore {
 public:
  /// A window of one key.
  struct Pane {
    Window window;
    std::string_view key;
    std::uint64_t group = 0;
    std::uint64_t revisions = 0;  ///< how often it was emitted
    bool changed = false;         ///< since then
    Accumulator accumulator;
    std::uint32_t last_input = abi::kNone;  ///< the input that contributed last, in this step

   private:
    friend class WindowStore;
    std::uint64_t hash = 0;
  };

  /// `group_per_key`: each key's window is a lineage group of its own; else the keys of a window share one.
  WindowStore(bool group_per_key, std::int64_t allowed_lateness)
      : group_per_key_(group_per_key), lateness_(allowed_lateness) {}

  /// Begins a step; `watermark` as it is now.
  void begin(Session& session, std::int64_t watermark) {
    session_ = &session;
    watermark_ = watermark;
    for (auto& slot : slots_) slot = kEmpty;
    if (slots_.size() > kFirstSlots && panes_.size() * 16 < slots_.size()) slots_.assign(kFirstSlots, kEmpty);
    panes_.clear();
    keys_.release();
    next_group_.reset();
    shared_groups_.clear();
  }

  /// True if a reading of this window comes too late.
  bool is_late(const Window& window, std::int64_t watermark) const { return later(window.end, lateness_) <= watermark; }

  /// True if the state holds windows, open or kept.
  static bool any(Session& session) {
    bool found = false;
    const auto visit = [&](std::string_view, std::string_view) { return !(found = true); };
    session.scan_state("o", "p", visit);
    if (!found) session.scan_state("f", "g", visit);
    return found;
  }

  /// The pane of a key's window, made or loaded if need be. Valid until the next call.
  Pane& at(const Window& window, std::string_view key) {
    const auto hash = hash_bytes(key, seed_ ^ static_cast<std::uint64_t>(window.end));
    const auto mask = slots_.size() - 1;
    for (auto i = hash & mask; slots_[i] != kEmpty; i = (i + 1) & mask) {
      auto& pane = panes_[slots_[i]];
      if (pane.hash == hash && pane.window.end == window.end && pane.window.start == window.start && pane.key == key)
        return pane;
    }
    return load(window, key, hash);
  }

  /// Writes the panes of this step back to the state.
  void save() {
    for (const auto& pane : panes_) session_->set_state(state_key('o', pane.window, pane.key), encode(pane));
    if (next_group_) {
      std::string value;
      put(value, *next_group_);
      session_->set_state("g", value);
    }
  }

  /// Calls `emit(const Pane&)` for panes whose window ends at or before the watermark and that changed since they were
  /// last emitted, by end, start and key, until `full()`. Forgets those beyond the allowed lateness. Call after save().
  /// True: there are more.
  template <class Emit, class Full>
  bool fire(std::int64_t watermark, Emit&& emit, Full&& full) {
    forget(watermark);
    std::vector<std::pair<std::string, std::string>> due;
    while (true) {
      due.clear();
      session_->scan_state("o", end_key('o', watermark), [&](std::string_view key, std::string_view value) {
        due.emplace_back(key, value);
        return due.size() < kAtOnce;
      });
      if (due.empty()) return false;
      for (const auto& [key, value] : due) {
        if (full()) return true;
        auto pane = decode(key, value);
        if (pane.changed) {
          emit(std::as_const(pane));
          ++pane.revisions;
          pane.changed = false;
        }
        session_->erase_state(key);
        if (is_late(pane.window, watermark)) {
          if (!group_per_key_) session_->erase_state(group_key(pane.window));
        } else {
          session_->set_state(state_key('f', pane.window, pane.key), encode(pane));
        }
      }
    }
  }

  /// Emits all that changed, whatever the watermark. The windows stay: if more readings come, they are revisions.
  template <class Emit>
  void fire_all(Emit&& emit) {
    std::vector<std::pair<std::string, std::string>> open;
    session_->scan_state("o", "p", [&](std::string_view key, std::string_view value) {
      open.emplace_back(key, value);
      return true;
    });
    for (const auto& [key, value] : open) {
      auto pane = decode(key, value);
      if (!pane.changed) continue;
      emit(std::as_const(pane));
      ++pane.revisions;
      pane.changed = false;
      session_->set_state(key, encode(pane));
    }
  }

 private:
  static constexpr std::uint32_t kEmpty = abi::kNone;
  static constexpr std::size_t kFirstSlots = 1024;
  static constexpr std::size_t kAtOnce = 1000;  ///< state may not change during a scan

  Pane& load(const Window& window, std::string_view key, std::uint64_t hash) {
    Pane pane;
    pane.window = window;
    auto* bytes = static_cast<char*>(keys_.allocate(key.size(), 1));
    key.copy(bytes, key.size());
    pane.key = {bytes, key.size()};
    pane.hash = hash;
    if (!restore(pane)) pane.group = group_per_key_ ? new_group() : shared_group(window);
    if ((panes_.size() + 1) * 2 > slots_.size()) grow();
    insert(static_cast<std::uint32_t>(panes_.size()), hash);
    return panes_.emplace_back(std::move(pane));
  }

  bool restore(Pane& pane) {
    if (const auto value = session_->state(state_key('o', pane.window, pane.key)))
      return decode_value(*value, pane), true;
    if (pane.window.end > watermark_ || lateness_ == 0) return false;
    const auto key = state_key('f', pane.window, pane.key);
    const auto value = session_->state(key);
    if (!value) return false;
    decode_value(*value, pane);
    session_->erase_state(key);
    return true;
  }

  void grow() {
    slots_.assign(slots_.size() * 2, kEmpty);
    for (std::uint32_t i = 0; i < panes_.size(); ++i) insert(i, panes_[i].hash);
  }

  void insert(std::uint32_t pane, std::uint64_t hash) {
    const auto mask = slots_.size() - 1;
    auto i = hash & mask;
    while (slots_[i] != kEmpty) i = (i + 1) & mask;
    slots_[i] = pane;
  }

  std::uint64_t new_group() {
    if (!next_group_) {
      auto value = session_->state("g");
      next_group_ = value ? take(*value) : 1;
    }
    return (*next_group_)++;
  }

  std::uint64_t shared_group(const Window& window) {
    for (const auto& [known, group] : shared_groups_) {
      if (known.start == window.start && known.end == window.end) return group;
    }
    const auto key = group_key(window);
    std::uint64_t group = 0;
    if (auto value = session_->state(key)) {
      group = take(*value);
    } else {
      group = new_group();
      std::string encoded;
      put(encoded, group);
      session_->set_state(key, encoded);
    }
    shared_groups_.emplace_back(window, group);
    return group;
  }

  void forget(std::int64_t watermark) {
    if (lateness_ == 0) return;
    // Gone is what ends at or before this; no window ends before the counting of time begins.
    const auto limit = earlier(watermark, lateness_);
    if (limit == kLongAgo) return;
    std::vector<std::string> gone;
    session_->scan_state("f", end_key('f', limit), [&](std::string_view key, std::string_view) {
      gone.emplace_back(key);
      return true;
    });
    for (const auto& key : gone) session_->erase_state(key);
    if (group_per_key_ || gone.empty()) return;
    gone.clear();
    session_->scan_state("n", end_key('n', limit), [&](std::string_view key, std::string_view) {
      gone.emplace_back(key);
      return true;
    });
    for (const auto& key : gone) session_->erase_state(key);
  }

  static std::string group_key(const Window& window) { return state_key('n', window, {}); }

  static std::string state_key(char kind, const Window& window, std::string_view key) {
    std::string result;
    result.reserve(17 + key.size());
    result += kind;
    put_signed(result, window.end);
    put_signed(result, window.start);
    result += key;
    return result;
  }

  /// Behind all entries that end at or before `time`.
  static std::string end_key(char kind, std::int64_t time) {
    std::string result(1, kind);
    if (time == std::numeric_limits<std::int64_t>::max()) {
      ++result[0];
    } else {
      put_signed(result, time + 1);
    }
    return result;
  }

  static std::string encode(const Pane& pane) {
    std::string value;
    value.reserve(48);
    put(value, pane.group);
    put(value, pane.revisions << 1 | (pane.changed ? 1 : 0));
    pane.accumulator.encode(value);
    return value;
  }
  static void decode_value(std::string_view value, Pane& pane) {
    pane.group = take(value);
    const auto revisions = take(value);
    pane.revisions = revisions >> 1;
    pane.changed = (revisions & 1) != 0;
    pane.accumulator = Accumulator::decode(value);
  }
  static Pane decode(std::string_view key, std::string_view value) {
    Pane pane;
    key.remove_prefix(1);
    pane.window.end = take_signed(key);
    pane.window.start = take_signed(key);
    pane.key = key;
    decode_value(value, pane);
    return pane;
  }

  const bool group_per_key_;
  const std::int64_t lateness_;
  const std::uint64_t seed_ = std::random_device{}();  ///< of hashes, so that nobody can choose keys that collide

  // Of the step under way.
  Session* session_ = nullptr;
  std::int64_t watermark_ = kLongAgo;  ///< at its beginning
  std::pmr::monotonic_buffer_resource keys_{64 * 1024};
  std::vector<Pane> panes_;  ///< in the order of their first reading
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(kFirstSlots, kEmpty);
  std::optional<std::uint64_t> next_group_;
  std::vector<std::pair<Window, std::uint64_t>> shared_groups_;
};

}  // namespace weir::window
