#pragma once
// HttpSource: polls an HTTP endpoint, page by page. One answer is one session: what it brought and where to go on
// become durable together.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "client.h"
#include "client_settings.h"
#include "paging.h"
#include "weir/processor.h"

namespace weir::http {

struct SourceSettings : ClientSettings {
  std::string method = "GET";
  std::string body;
  std::string emit = "records";
  std::string items;
  std::optional<PagingSettings> paging;
  bool conditional = true;
  std::uint64_t max_body = 64 * MiB;
};

extern const Spec<SourceSettings> source_spec;

class HttpSource final : public Source {
 public:
  explicit HttpSource(SourceSettings settings);

  void start(Context& context) override;
  void poll(Session& session) override;
  void stop() override;

 private:
  struct Answer;

  void request(Session& session);
  void read_state(Session& session);
  void take(Session& session, const Response& response);
  [[noreturn]] void refuse(const Response& response);
  std::size_t emit(Session& session, const Response& response);
  void describe(Session& session, FlowFile file, const Response& response) const;
  void go_on(Session& session, const Response& response, std::size_t items);
  void end(Session& session);

  const SourceSettings settings_;
  Context context_;
  std::string uri_;
  std::shared_ptr<Answer> answer_;  ///< of the request under way; shared with its callback
  std::int64_t not_before_ = 0;     ///< the server asked to be left alone until then
  bool ended_ = false;
  // As the state has it, at the time of the request.
  std::string page_;
  std::int64_t number_ = 0;
  Metric requests_;
  Metric unchanged_;
  Metric failed_;
  std::unique_ptr<Client> client_;  ///< last: it calls back
};

}  // namespace weir::http
