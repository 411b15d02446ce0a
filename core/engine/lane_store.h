#pragma once
// What a lane has for a store: that of its Weir, under names of the lane (store/names.h), and of an epoch only what is
// to be known later. Queues and state of a lane are never on disk; its lineage is, with the attributes it is searched
// by, what is retained of its source's content, and how far its connections are, so that no sequence comes twice.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "flow/definition.h"
#include "store/store.h"

namespace weir::engine {

/// Engine::take_in of the engine that writes the store.
using TakeIn = std::function<void(store::Epoch part, std::function<void()> durable)>;

/// What the lanes of a Weir have handed over together, and is not on disk yet. Shared with who says that it is.
struct LaneBacklog {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t bytes = 0;
};

/// Lives as long as the host of the lanes: the lane may begin anew before all is on disk that it did before.
class LaneStore final : public store::Store {
 public:
  LaneStore(store::Store& store, TakeIn take_in, const flow::LaneName& name, std::shared_ptr<LaneBacklog> backlog);

  /// Hands the epoch over, and returns before it is on disk. Waits where the disk is far behind.
  void write(const store::Epoch& epoch) override;
  void when_durable(const std::function<void()>& told) override;
  /// Whether write() waits. It does not when the lane is about to end.
  void may_wait(bool may);

  const std::string& id() const override { return store_.id(); }
  std::uint64_t last_epoch() const override { return last_epoch_; }
  std::uint32_t connection_number(const std::string& id) override { return store_.connection_number(in_lane(id)); }
  std::uint32_t processor_number(const std::string& name) override;
  void rename_connection(const std::string&, const std::string&) override {}
  void rename_processor(const std::string&, const std::string&) override {}
  /// Those of the lane, with nothing in them.
  std::vector<store::RecoveredConnection> connections() override;
  std::map<std::string, std::string> state(std::uint32_t) override { return {}; }
  void maintain() override {}
  store::BatchRef read(std::uint32_t connection, std::uint64_t first, std::uint32_t count) override {
    return store_.read(connection, first, count);
  }
  void retain(std::uint32_t, const store::Retention&) override {}  // as the flow's source says, which the member is
  store::BatchRef retained(std::uint32_t connection, std::uint64_t sequence) override {
    return store_.retained(connection, sequence);
  }
  std::uint64_t retained_bytes() const override { return store_.retained_bytes(); }
  std::unique_ptr<store::ContentWriter> write_content() override { return store_.write_content(); }
  std::uint64_t room() const override { return store_.room(); }

 private:
  /// What this lane has in the backlog; under its lock.
  struct Pending {
    std::uint32_t parts = 0;
    bool may_wait = true;
  };

  std::string in_lane(std::string_view name) const;

  store::Store& store_;
  const TakeIn take_in_;
  const std::string flow_;
  const std::string lane_;  ///< the name's id
  const std::shared_ptr<LaneBacklog> backlog_;
  const std::shared_ptr<Pending> pending_ = std::make_shared<Pending>();
  std::uint64_t last_epoch_ = 0;
  std::map<std::uint32_t, std::uint32_t> of_flow_;  ///< by the lane's number of a processor: that of all lanes
  std::map<std::uint32_t, std::uint64_t> next_;     ///< by connection, of what was handed over
};

}  // namespace weir::engine
