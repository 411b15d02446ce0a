#pragma once
// HttpSink: sends FlowFiles or their records to an HTTP server, and keeps each until the server has it.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "client.h"
#include "sink_requests.h"
#include "weir/processor.h"

namespace weir::http {

extern const Spec<SinkSettings> sink_spec;

class HttpSink final : public Processor {
 public:
  explicit HttpSink(SinkSettings settings);

  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void tick(Session& session) override { step(Batch(session.raw()), session); }
  void flush(Session& session) override;
  void finish(Session& session) override { flush(session); }
  void stop() override;

 private:
  /// A FlowFile that the session holds; held_ has them in the session's order.
  struct Held {
    std::vector<Delivery> deliveries;
    bool finished = false;  ///< by the last session: gone, once that is committed
  };
  struct Answers;

  void confirm(Session& session);
  void change(Session& session);
  void settle(Session& session);
  void collect(Session& session);
  void judge(Session& session, Delivery& delivery, const Response& response);
  void retry(Session& session, Delivery& delivery, const Response& response);
  void conclude(Session& session);
  void conclude(Session& session, FlowFile file, const Held& held);
  void submit(Session& session);
  bool has_room() const;
  bool wait_for_room(Session& session);
  bool succeeded(int status) const;

  const SinkSettings settings_;
  Context context_;
  std::string uri_;
  std::unique_ptr<SinkRequests> requests_;
  Statement records_;  ///< none unless records are sent

  std::deque<Held> held_;
  std::size_t added_ = 0;       ///< at the end of held_, by the last session
  std::uint64_t sessions_ = 0;  ///< that changed something, as the state should have it
  bool started_ = false;        ///< the state has been read
  bool changed_ = false;        ///< this session counts
  std::size_t waiting_ = 0;     ///< deliveries that are neither delivered nor refused
  std::uint64_t bytes_ = 0;     ///< of their bodies
  std::size_t in_flight_ = 0;
  std::uint64_t ids_ = 0;
  std::int64_t not_before_ = 0;  ///< the server is left alone until then
  std::uint32_t failures_ = 0;   ///< in a row
  std::string fatal_;

  Metric requests_metric_;
  Metric retried_metric_;
  Metric refused_metric_;
  std::shared_ptr<Answers> answers_;  ///< shared with the callbacks
  std::unique_ptr<Client> client_;    ///< last: it calls back
};

}  // namespace weir::http
