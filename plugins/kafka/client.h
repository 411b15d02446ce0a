#pragma once
// librdkafka's handles with their owners, and its errors sorted by what a processor does about them.
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "connection.h"
#include "weir/context.h"

// librdkafka's names for its handles; its header is large and stays in the sources.
struct rd_kafka_s;
struct rd_kafka_conf_s;
struct rd_kafka_message_s;
struct rd_kafka_topic_partition_list_s;
struct rd_kafka_queue_s;
struct rd_kafka_error_s;
struct rd_kafka_op_s;  // an event

namespace weir::kafka {

struct Destroy {
  void operator()(rd_kafka_s* client) const;
  void operator()(rd_kafka_conf_s* conf) const;
  void operator()(rd_kafka_message_s* message) const;
  void operator()(rd_kafka_topic_partition_list_s* list) const;
  void operator()(rd_kafka_queue_s* queue) const;
  void operator()(rd_kafka_error_s* error) const;
  void operator()(rd_kafka_op_s* event) const;
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;
using Message = Owned<rd_kafka_message_s>;
using PartitionList = Owned<rd_kafka_topic_partition_list_s>;

/// Ends a member of a group that answers nothing, without leaving it: the group misses it when its session is over.
/// Returns at once; librdkafka's threads end when the group has answered, and do nothing else until then.
void desert(Owned<rd_kafka_s> member);

/// What a processor does about an error of librdkafka (an rd_kafka_resp_err_t).
enum class Reaction {
  none,         ///< no error
  refused,      ///< this message is bad and will stay so: `failure`
  unavailable,  ///< the far side is away, or does not know this client's state any more: again, later
  misconfigured,
};
Reaction reaction_to(int error);

/// Throws what an error that came back from a call stands for; `what` says what was tried.
[[noreturn]] void raise(int error, const std::string& what);

/// What librdkafka has to say to an operator, from its own threads and from polls. Outlives the client.
class Trouble {
 public:
  explicit Trouble(Context context) : context_(context) {}

  /// A bulletin; the same text again only after a while.
  void say(Level level, const std::string& text);
  /// An error that no single call got (rd_kafka_conf_set_error_cb).
  void error(int code, const std::string& text);
  /// No broker answers.
  void away(const std::string& text);
  /// Whether a broker went away since the last over(): the others may be there, and librdkafka does not always say so
  /// when none is.
  bool in_doubt() const;
  /// What this client needs is there (again).
  void over();
  /// Why nothing goes, for messages; empty if it does.
  std::string what() const;
  /// Why nothing will go until the flow is changed; empty if it may.
  std::string fatal() const;
  void set_fatal(std::string why);
  Context& context() { return context_; }

 private:
  Context context_;
  mutable std::mutex mutex_;  ///< guards all below
  bool in_doubt_ = false;
  bool fresh_ = true;  ///< nothing is known yet; a client before this one may have said that it is not ready
  std::string what_;
  std::string fatal_;
  std::string last_said_;
  std::chrono::steady_clock::time_point said_at_;
};

/// A client in the making: librdkafka's settings from those of the author.
class Configuration {
 public:
  /// `trouble` is told what goes wrong, and must outlive the client.
  Configuration(const ConnectionSettings& settings, Trouble& trouble);

  /// Throws Misconfigured with librdkafka's reason.
  void set(const std::string& name, const std::string& value);
  /// The author's options, which have the last word.
  void set(const Options& options);
  rd_kafka_conf_s* get() { return conf_.get(); }
  /// Does not connect yet, or wait for it. Throws Misconfigured. `opaque` comes back in callbacks.
  Owned<rd_kafka_s> make(Role role) &&;

 private:
  Owned<rd_kafka_conf_s> conf_;
};

}  // namespace weir::kafka
