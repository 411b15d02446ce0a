#pragma once
// What a processor works with during one step: FlowFiles and the Session that holds them together.

#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/abi.h"
#include "weir/errors.h"
#include "weir/spec.h"

namespace weir {

class Session;

/// One piece of data: content and attributes. A light handle, valid during the step that it came from.
class FlowFile {
 public:
  FlowFile(abi::Session* session, std::uint32_t handle) : session_(session), handle_(handle) {}

  std::uint64_t size() const { return session_->item(handle_)->size; }
  /// All of the content, contiguous and readable 64 bytes past its end. Content in a file is mapped, not read.
  std::string_view content() const {
    const auto* item = session_->item(handle_);
    if ((item->flags & abi::kExternal) == 0) return {item->data, item->size};
    return view(session_->content(handle_));
  }
  /// Copies up to `size` bytes from `offset` on; returns how many. For content too large to map at once.
  std::uint64_t read(std::uint64_t offset, char* to, std::uint64_t size) const {
    return session_->read(handle_, offset, to, size);
  }
  /// The attribute's value, or nothing. Valid during the step.
  std::optional<std::string_view> attribute(std::string_view name) const {
    for (const auto& a : attributes()) {
      if (view(a.name) == name) return view(a.value);
    }
    return std::nullopt;
  }
  /// All attributes, sorted by name.
  std::span<const abi::Attribute> attributes() const {
    const auto* item = session_->item(handle_);
    return {item->attributes, item->attribute_count};
  }
  std::uint32_t records() const { return session_->item(handle_)->records; }
  /// When its first ancestor entered Weir, nanoseconds since 1970.
  std::int64_t born() const { return session_->item(handle_)->born; }
  /// Its number in the connection it came by.
  std::uint64_t sequence() const { return session_->sequence(handle_); }
  /// Where a partly consumed input goes on (see Session::consume_until); 0 for a fresh one.
  std::uint64_t offset() const { return session_->offset(handle_); }
  std::uint32_t handle() const { return handle_; }

 private:
  abi::Session* session_;
  std::uint32_t handle_;
};

/// The FlowFiles a step was given, in the order of their connection; all from one connection.
class Batch {
 public:
  explicit Batch(abi::Session* session) : session_(session), count_(session->input_count()) {}
  std::uint32_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  FlowFile operator[](std::uint32_t index) const { return {session_, index}; }

  class Iterator {
   public:
    Iterator(abi::Session* session, std::uint32_t index) : session_(session), index_(index) {}
    FlowFile operator*() const { return {session_, index_}; }
    Iterator& operator++() { return ++index_, *this; }
    bool operator!=(const Iterator& other) const { return index_ != other.index_; }

   private:
    abi::Session* session_;
    std::uint32_t index_;
  };
  Iterator begin() const { return {session_, 0}; }
  Iterator end() const { return {session_, count_}; }

 private:
  abi::Session* session_;
  std::uint32_t count_;
};

/// One atomic step: what it transfers, creates, holds and changes in state takes effect as a whole when the step
/// returns, or not at all when it throws. Every input has to be transferred, dropped, held, penalized or rejected, or
/// be the parent of a FlowFile it created; forgetting one is a defect that the engine reports.
///
/// Relationships are named by number: their position in the spec (for relationships_from, after the declared ones).
/// Not thread-safe; valid during the step.
class Session {
 public:
  explicit Session(abi::Session* session) : session_(session) {}

  /// @name Making FlowFiles
  /// @{
  /// A new FlowFile without content. It inherits the attributes of its first parent; lineage follows from parents.
  FlowFile create() { return {session_, session_->create(nullptr, 0)}; }
  FlowFile create(FlowFile parent) {
    const auto handle = parent.handle();
    return {session_, session_->create(&handle, 1)};
  }
  FlowFile create(std::span<const FlowFile> parents) {
    std::vector<std::uint32_t> handles;
    handles.reserve(parents.size());
    for (const auto& parent : parents) handles.push_back(parent.handle());
    return {session_, session_->create(handles.data(), static_cast<std::uint32_t>(handles.size()))};
  }
  /// Appends to a created FlowFile's content.
  void append(FlowFile file, std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(session_->append(file.handle(), bytes.size()), bytes.data(), bytes.size());
  }
  /// Room for `size` more bytes at the end of its content, to be filled before the next call.
  char* append(FlowFile file, std::uint64_t size) { return session_->append(file.handle(), size); }
  /// Cuts a created FlowFile's content to its first `size` bytes.
  void shrink(FlowFile file, std::uint64_t size) { session_->shrink(file.handle(), size); }
  /// Makes a created FlowFile's content a part of another's, without copying.
  void share(FlowFile file, FlowFile from, std::uint64_t offset, std::uint64_t size) {
    session_->share(file.handle(), from.handle(), offset, size);
  }
  void set(FlowFile file, std::string_view attribute, std::string_view value) {
    session_->set(file.handle(), to_text(attribute), to_text(value));
  }
  void erase(FlowFile file, std::string_view attribute) { session_->erase(file.handle(), to_text(attribute)); }
  /// Says how many records the content holds (1 unless said; metrics count by it).
  void records(FlowFile file, std::uint32_t count) { session_->records(file.handle(), count); }
  /// Whether a FlowFile that goes to this relationship goes on to a processor. If not, its content need not be written.
  bool routed(std::uint32_t relationship) const { return session_->routed(relationship); }
  /// Gives a created FlowFile the size of content that is not written. It may only go where nothing is routed.
  void omit(FlowFile file, std::uint64_t size) { session_->omit(file.handle(), size); }
  /// @}

  /// @name Where FlowFiles go
  /// @{
  void transfer(FlowFile file, std::uint32_t relationship) { session_->transfer(file.handle(), relationship); }
  /// Transfers every input at once; abi::kNone drops that one. `relationship_of_input` has one entry an input.
  void transfer_each(std::span<const std::uint32_t> relationship_of_input) {
    session_->transfer_each(relationship_of_input.data());
  }
  /// Ends a FlowFile's way on purpose; recorded as DROP with the reason.
  void drop(FlowFile file, std::string_view reason) { session_->drop(file.handle(), to_text(reason)); }
  /// Keeps an input beyond this step: durable, found again by held(), queued again after a crash.
  void hold(FlowFile file) { session_->hold(file.handle()); }
  /// Puts an input aside for a while; others go on.
  void penalize(FlowFile file, Duration pause) { session_->penalize(file.handle(), pause.count()); }
  /// Sends an input to `failure`, unchanged, with error.* attributes.
  void reject(FlowFile file, std::string_view message) { session_->reject(file.handle(), to_text(message)); }
  /// The input is consumed up to a byte offset: the rest, and every input after it, comes again in the next step,
  /// this one with FlowFile::offset(). Return then, without touching a later input.
  void consume_until(FlowFile file, std::uint64_t offset) {
    session_->consume_until(file.handle(), offset);
    ended_early_ = true;
  }
  /// True after consume_until.
  bool ended_early() const { return ended_early_; }
  /// True once the outputs made so far are enough for one session: consume_until and return.
  bool over_budget() const { return session_->over_budget(); }
  /// @}

  /// @name Held FlowFiles, oldest first. Taking one up obliges the step to transfer, drop or hold it, or use it as a
  /// parent
  /// @{
  std::uint32_t held_count() const { return session_->held_count(); }
  FlowFile take_held(std::uint32_t index) { return {session_, session_->take_held(index)}; }
  /// @}

  /// Undo point: undo(mark()) takes back what was created and transferred since.
  std::uint64_t mark() { return session_->mark(); }
  void undo(std::uint64_t mark) { session_->undo(mark); }

  /// @name Durable state: ordered keys to values, changed with the step
  /// @{
  /// Valid until the next state call.
  std::optional<std::string_view> state(std::string_view key) {
    abi::Text value{};
    if (!session_->state_get(to_text(key), &value)) return std::nullopt;
    return view(value);
  }
  void set_state(std::string_view key, std::string_view value) { session_->state_set(to_text(key), to_text(value)); }
  void erase_state(std::string_view key) { session_->state_erase(to_text(key)); }
  /// Visits from <= key < to in order (an empty `to`: to the end); `visit(key, value)` returns false to stop. The
  /// visitor must not change state.
  template <class F>
  void scan_state(std::string_view from, std::string_view to, F&& visit) {
    struct Visitor final : abi::StateVisitor {
      F& visit;
      explicit Visitor(F& f) : visit(f) {}
      bool entry(abi::Text key, abi::Text value) override { return visit(view(key), view(value)); }
    } visitor{visit};
    session_->state_scan(to_text(from), to_text(to), &visitor);
  }
  /// @}

  /// @name Provenance
  /// @{
  /// Names the event of this step where the default (from parents and relationships) does not say enough: RECEIVE,
  /// SEND, FETCH, … with the transit URI.
  void event(std::string_view type, std::string_view transit_uri, std::string_view details = {}) {
    session_->event(to_text(type), to_text(transit_uri), to_text(details));
  }
  /// The input takes part in a group (a window), whose number never returns; the input still has to go somewhere
  /// (`drop` it: that it took part is recorded, and no DROP event is written).
  void contribute(FlowFile input, std::uint64_t group) { session_->contribute(input.handle(), group); }
  /// The created FlowFile's parents are all inputs that contributed to the group.
  void created_from_group(FlowFile file, std::uint64_t group) { session_->created_from_group(file.handle(), group); }
  /// @}

  /// The flow's clock, nanoseconds since 1970. Constant during a step.
  std::int64_t now() const { return session_->now(); }
  /// Asks for Processor::tick at or after this time of the flow's clock; the earliest asked for counts.
  void tick_at(std::int64_t when) { session_->tick_at(when); }
  /// A source has more to give: poll again as soon as there is room. In finish(): it is not over, finish is called
  /// again.
  void again() { session_->again(); }
  /// A source has nothing more to give, ever.
  void finished() { session_->finished(); }
  /// Processor::durable(token) will be called once this step is on disk.
  void when_durable(std::uint64_t token) { session_->when_durable(token); }

  /// Id of the connection the inputs came by, and its cursor in the last durable epoch (for exactly-once progress).
  std::string_view connection() const { return view(session_->connection()); }
  std::uint64_t durable_cursor() const { return session_->durable_cursor(); }

  abi::Session* raw() const { return session_; }

 private:
  abi::Session* session_;
  bool ended_early_ = false;
};

}  // namespace weir
