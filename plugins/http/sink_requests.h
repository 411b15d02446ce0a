#pragma once
// Turns a FlowFile into the requests that carry it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client_settings.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::http {

struct SinkSettings : ClientSettings {
  std::string method = "POST";
  std::string send = "flowfile";
  std::int64_t batch = 1;
  std::string format = "array";
  std::string content_type;
  std::vector<std::string> success;
  std::int64_t in_flight = 1;
  std::string key;
  std::string idempotency_header = "Idempotency-Key";
  std::int64_t max_attempts = 0;
  std::uint64_t max_body = 64 * MiB;
};

/// One request, and how it fares.
struct Delivery {
  enum class State { waiting, sent, delivered, refused };
  State state = State::waiting;
  std::uint64_t id = 0;
  std::string lane = {};  ///< those of one lane go one after the other
  std::string url = {};
  Headers headers = {};
  std::string body = {};
  std::vector<std::uint32_t> records = {};  ///< their indexes in the FlowFile; none: it is the FlowFile
  std::int64_t attempts = 0;                ///< that were answered
  std::string refusal = {};
};

class SinkRequests {
 public:
  /// Throws Misconfigured. `settings` outlives it.
  SinkRequests(const SinkSettings& settings, Context& context);

  /// The requests for an input of this session, in order; those that cannot be made are refused already.
  std::vector<Delivery> make(Session& session, FlowFile file);

 private:
  std::vector<Delivery> whole(Session& session, FlowFile file);
  std::vector<Delivery> by_record(Session& session, FlowFile file);
  Delivery prepare(const Row* row) const;
  void complete(Delivery& delivery, Session& session, FlowFile file) const;

  const SinkSettings& settings_;
  std::string store_id_;
  bool keyed_;  ///< exactly once: the server knows a repeated request by its key
  bool computed_ = false;
  bool url_computed_ = false;
  std::vector<bool> header_computed_;
  bool typed_ = false;  ///< `headers` has the content type
  Statement values_;    ///< the url, the headers and the key, as far as they are computed
};

}  // namespace weir::http
