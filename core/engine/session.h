#pragma once
// One step of a processor, as data: SessionBuilder is the abi::Session that a processor works with, and what it leaves
// behind is an Outcome, which the engine (or the test kit) then applies as a whole or throws away.
//
// Nothing here knows of connections, threads or the store, so a session can be run anywhere.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/batch.h"
#include "store/content.h"
#include "weir/abi.h"

namespace weir::engine {

using StateMap = std::map<std::string, std::string, std::less<>>;
using StateChanges = std::map<std::string, std::optional<std::string>, std::less<>>;  ///< nothing: erased

/// A FlowFile that its processor keeps.
struct HeldEntry {
  std::uint64_t sequence = 0;
  std::uint32_t connection = 0;  ///< the store's number
  store::BatchRef batch;
  std::uint32_t index = 0;
  std::uint64_t offset = 0;  ///< bytes of it that were consumed before it was held
};

/// What a session begins with. All of it outlives the session.
struct SessionInput {
  store::BatchRef batch;     ///< null: no inputs
  std::uint32_t offset = 0;  ///< of the first input in the batch
  std::uint32_t count = 0;
  std::vector<std::uint64_t> sequences;  ///< of each input; empty: first_sequence, first_sequence + 1, …
  std::uint64_t first_sequence = 0;
  std::uint64_t first_offset = 0;  ///< byte offset where the first input goes on, if it was partly consumed
  std::uint32_t connection = 0;
  std::string_view connection_id;
  std::uint64_t durable_cursor = 0;
  std::int64_t now = 0;
  const StateMap* state = nullptr;
  const std::vector<HeldEntry>* held = nullptr;                     ///< oldest first
  std::vector<std::pair<std::uint32_t, std::string_view>> came_by;  ///< numbers and ids of their connections
  std::uint32_t failure = abi::kNone;                               ///< number of the relationship `failure`
  const std::vector<bool>* routed = nullptr;                        ///< by relationship; null: all are
  std::string_view processor_name;
  const std::vector<std::string>* secrets = nullptr;  ///< what no message may tell; null: nothing
};

/// Makes room for content too large for memory.
using WriteContent = std::unique_ptr<store::ContentWriter> (*)(void* context);

enum class Disposition : std::uint8_t { none, transferred, dropped, held, penalized, partial };

/// What a step did.
struct Outcome {
  struct Transfer {
    std::uint32_t relationship;
    std::uint32_t handle;
  };
  struct Large {  ///< content on its way to a file
    std::unique_ptr<store::ContentWriter> writer;
    std::string staged;  ///< what the last append made room for
  };
  struct Extra {  ///< a handle beyond the inputs: a held FlowFile taken up again, or a created one
    abi::Item item{};
    std::uint32_t held = abi::kNone;  ///< index into SessionInput::held
    std::uint32_t first_parent = 0;   ///< into parents
    std::uint32_t parent_count = 0;
    std::uint64_t group = 0;  ///< with from_group
    bool from_group = false;
    bool omitted = false;  ///< its content was not written
    Disposition disposition = Disposition::none;
    std::uint64_t capacity = 0;            ///< bytes of content room; beyond item.size free
    std::uint32_t attribute_capacity = 0;  ///< 0: the attributes are shared
    std::unique_ptr<Large> large;          ///< set once its content goes to a file
  };
  struct Event {
    std::string type;
    std::string transit_uri;
    std::string details;
  };

  std::vector<Disposition> inputs;                ///< one an input
  std::vector<abi::Item> changed;                 ///< copies of the inputs, where one changed; else empty
  std::vector<std::uint32_t> attribute_capacity;  ///< of changed inputs
  std::vector<Extra> extras;                      ///< handle = inputs.size() + index
  std::vector<std::uint32_t> parents;
  std::vector<Transfer> transfers;                                ///< in the order of the calls
  std::vector<std::pair<std::uint32_t, std::int64_t>> penalized;  ///< input, nanoseconds
  std::vector<std::pair<std::uint32_t, std::string>> dropped;     ///< handle, reason
  std::vector<std::pair<std::uint32_t, std::uint64_t>> contributions;
  std::uint64_t partial_offset = 0;
  std::shared_ptr<store::Arena> arena;
  StateChanges state;
  std::optional<Event> event;
  std::int64_t tick_at = 0;  ///< 0: none asked for
  bool again = false;
  bool finished = false;
  std::vector<std::uint64_t> tokens;
  bool attributes_changed = false;
};

class SessionBuilder final : public abi::Session {
 public:
  /// Content beyond this goes to a file as it is written.
  static constexpr std::uint64_t kSpillContent = 8ULL << 20;
  /// What a session may put out before over_budget().
  static constexpr std::uint64_t kBudgetBytes = 16ULL << 20;
  static constexpr std::uint32_t kBudgetCount = 10'000;

  SessionBuilder(const SessionInput& input, WriteContent write_content, void* context);

  /// Checks that every FlowFile has somewhere to go and syncs content files. Throws std::logic_error that names the
  /// defect, store::DiskFull, store::IoError. Afterwards outcome() is complete.
  void finish();
  Outcome& outcome() { return out_; }
  const SessionInput& input() const { return in_; }
  /// Forgets all that was done, as if the step had not begun.
  void reset();

  const abi::Item* inputs() const override;
  std::uint32_t input_count() const override { return in_.count; }
  std::uint64_t sequence(std::uint32_t handle) const override;
  abi::Text connection() const override { return {in_.connection_id.data(), in_.connection_id.size()}; }
  std::uint64_t durable_cursor() const override { return in_.durable_cursor; }
  const abi::Item* item(std::uint32_t handle) const override;
  abi::Text content(std::uint32_t handle) override;
  std::uint64_t read(std::uint32_t handle, std::uint64_t offset, char* to, std::uint64_t size) override;
  std::uint64_t offset(std::uint32_t handle) const override;

  std::uint32_t create(const std::uint32_t* parents, std::uint32_t count) override;
  char* append(std::uint32_t handle, std::uint64_t size) override;
  void shrink(std::uint32_t handle, std::uint64_t size) override;
  void share(std::uint32_t handle, std::uint32_t from, std::uint64_t offset, std::uint64_t size) override;
  void set(std::uint32_t handle, abi::Text name, abi::Text value) override;
  void erase(std::uint32_t handle, abi::Text name) override;
  void records(std::uint32_t handle, std::uint32_t count) override;

  bool routed(std::uint32_t relationship) const override {
    return in_.routed == nullptr || (*in_.routed)[relationship];
  }
  void omit(std::uint32_t handle, std::uint64_t size) override;

  void transfer(std::uint32_t handle, std::uint32_t relationship) override;
  void transfer_each(const std::uint32_t* relationship_of_input) override;
  void drop(std::uint32_t handle, abi::Text reason) override;
  void hold(std::uint32_t handle) override;
  void penalize(std::uint32_t handle, std::int64_t nanoseconds) override;
  void reject(std::uint32_t handle, abi::Text message) override;
  void consume_until(std::uint32_t handle, std::uint64_t offset) override;
  bool over_budget() const override;

  std::uint32_t held_count() const override;
  std::uint32_t take_held(std::uint32_t index) override;

  std::uint64_t mark() override;
  void undo(std::uint64_t mark) override;

  bool state_get(abi::Text key, abi::Text* value) override;
  void state_set(abi::Text key, abi::Text value) override;
  void state_erase(abi::Text key) override;
  void state_scan(abi::Text from, abi::Text to, abi::StateVisitor* visitor) override;

  void event(abi::Text type, abi::Text transit_uri, abi::Text details) override;
  void contribute(std::uint32_t input, std::uint64_t group) override;
  void created_from_group(std::uint32_t handle, std::uint64_t group) override;

  std::int64_t now() const override { return in_.now; }
  void tick_at(std::int64_t when) override;
  void again() override { out_.again = true; }
  void finished() override { out_.finished = true; }
  void when_durable(std::uint64_t token) override { out_.tokens.push_back(token); }

 private:
  struct Mark {
    std::size_t extras, parents, transfers, penalized, dropped, contributions, journal, state_journal;
    std::uint64_t output_bytes;
  };

  bool is_input(std::uint32_t handle) const { return handle < in_.count; }
  std::string_view came_by(std::uint32_t handle) const;
  Outcome::Extra& extra(std::uint32_t handle);
  abi::Item& writable(std::uint32_t handle);
  void dispose(std::uint32_t handle, Disposition disposition);
  abi::Attribute* make_attributes_writable(std::uint32_t handle, std::uint32_t room);
  void remember_state(std::string_view key);
  std::string harmless(abi::Text text) const;
  void flush_staged(Outcome::Large& large);

  SessionInput in_;
  WriteContent write_content_;
  void* context_;
  Outcome out_;
  std::vector<Mark> marks_;
  std::vector<std::uint32_t> journal_;  ///< handles in the order they were disposed of
  std::vector<std::pair<std::string, std::optional<std::optional<std::string>>>> state_journal_;
  /// Content in files that was asked for; who asks again gets the same, as a process may have few mappings.
  std::vector<std::pair<const store::External*, std::shared_ptr<const char>>> maps_;
  std::vector<std::uint32_t> held_handles_;  ///< handle by held index, kNone if not taken up
  std::uint64_t output_bytes_ = 0;
};

}  // namespace weir::engine
