#pragma once
// librdkafka's idempotent producer, with or without transactions. Used from one thread at a time; reports come from
// inside poll, flush and commit.
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client.h"

namespace weir::kafka {

struct ProducerSettings {
  ConnectionSettings connection;
  std::string compression;
  std::string acks;
  std::chrono::milliseconds linger{};
  std::string transactional_id = {};  ///< empty: no transactions
  bool one_by_one = false;            ///< a batch holds one message: a refusal then is about that message alone
};

/// A message to be sent. Views are copied.
struct Outgoing {
  std::string_view topic = {};
  std::optional<std::string_view> value = {};
  std::optional<std::string_view> key = {};
  std::optional<std::int32_t> partition = {};
  std::optional<std::int64_t> timestamp = {};  ///< milliseconds since 1970
  std::span<const std::pair<std::string, std::string>> headers = {};
  std::uint64_t tag = 0;  ///< comes back in the report
};

class Producer final : public Trouble {
 public:
  /// `report(tag, error, topic)` is called once for each message that produce() took: error 0 is delivered.
  using Report = std::function<void(std::uint64_t, int, const char*)>;

  /// Does not wait for the brokers. Throws Misconfigured.
  Producer(const ProducerSettings& settings, Context context, Report report);
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;
  /// Forgets what is under way: no report comes for it any more. An open transaction is aborted.
  ~Producer();

  /// 0, or an rd_kafka_resp_err_t: the message was not taken.
  [[nodiscard]] int produce(const Outgoing& message);
  /// Hands out the reports that are there, or the first that come in that time.
  void poll(std::chrono::milliseconds wait = {});
  /// Sends what lingers, and waits until all is reported or the time is over.
  void flush(std::chrono::milliseconds wait);
  /// Where nothing is sent, no report says that the brokers are there: if that is in doubt, asks them now and then.
  /// False: it is not.
  bool look_for_brokers();
  /// Messages without a report.
  std::uint64_t in_flight() const { return in_flight_; }
  std::uint64_t bytes_in_flight() const { return bytes_; }
  /// Why this producer cannot go on, and another has to be made; empty if it can.
  std::string broken() const;

  /// @name Transactions. They throw Unavailable or Misconfigured; after commit() has thrown, `broken()` tells whether
  /// to call it again or to begin with another producer, which finds out what became of the transaction.
  /// @{
  /// Ends what an instance of the same transactional id before us left open, and fences it.
  void init_transactions(std::chrono::milliseconds wait);
  void begin();
  void commit(std::chrono::milliseconds wait);
  /// Nothing of the transaction arrives; what is under way is reported as failed before this returns. False: this
  /// producer cannot go on.
  [[nodiscard]] bool abort(std::chrono::milliseconds wait);
  /// @}

  rd_kafka_s* get() { return client_.get(); }

 private:
  struct Callbacks;
  friend struct Callbacks;
  void check(rd_kafka_error_s* error, const char* what);

  Report report_;
  std::uint64_t in_flight_ = 0;
  std::uint64_t bytes_ = 0;
  std::string broken_;
  bool closing_ = false;
  bool in_transaction_ = false;
  std::chrono::steady_clock::time_point next_look_;
  Owned<rd_kafka_s> client_;
};

}  // namespace weir::kafka
