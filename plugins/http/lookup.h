#pragma once
// HttpLookup: enriches records with what an API answers for them.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client_settings.h"
#include "lookups.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::http {

struct LookupSettings : ClientSettings {
  std::string into = "lookup";
  std::vector<std::pair<std::string, std::string>> fields;
  Duration ttl = std::chrono::minutes(10);
  std::int64_t cache_size = 10000;
  double rate = 0;
  std::int64_t in_flight = 4;
  std::int64_t attempts = 3;
  std::string on_failure = "wait";
  std::string on_missing = "set_null";
  std::uint64_t max_body = MiB;
};

extern const Spec<LookupSettings> lookup_spec;

class HttpLookup final : public Processor {
 public:
  explicit HttpLookup(LookupSettings settings);

  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void stop() override;

 private:
  /// A record, and what is asked for it.
  struct Wanted {
    std::string json;
    std::string url;
    std::string error;  ///< why nothing can be asked
    Form form;
    Lookups::Entry* entry = nullptr;
  };
  using Wishes = std::vector<std::vector<Wanted>>;  ///< by input

  Wishes read(Batch batch, Session& session);
  void tell_trouble();
  bool known(const std::vector<Wanted>& records) const;
  Lookups::Entry* down(const std::vector<Wanted>& records) const;
  void write(Session& session, FlowFile file, const std::vector<Wanted>& records);
  std::string enrich(const Wanted& wanted, std::string& json) const;

  const LookupSettings settings_;
  Context context_;
  std::string uri_;
  Statement urls_;
  Metric requests_metric_;
  Metric cached_metric_;
  std::uint64_t counted_ = 0;  ///< requests that the metric has
  std::string told_;           ///< of the API's trouble
  std::unique_ptr<Lookups> lookups_;
  std::unique_ptr<Client> client_;  ///< last: it calls back
};

}  // namespace weir::http
