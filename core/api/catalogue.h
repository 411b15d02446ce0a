#pragma once
// What is known of datasets from data that passes: how much was written and when, what records are like, and a few of
// them. Looked at every other second on a thread of its own; counts and inferred fields are kept over restarts in
// DATA/datasets.ndjson. Bounded: 200 fields and 5 rows a dataset.

#include <boost/json.hpp>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/tap.h"
#include "catalogue/dataset.h"
#include "engine/engine.h"

namespace weir::api {

/// Every function may be called from any thread.
class Catalogue {
 public:
  static constexpr std::size_t kMostFields = 200;
  static constexpr std::size_t kMostRows = 5;

  /// Engine and taps outlive it.
  Catalogue(engine::Engine& engine, Taps& taps, const std::filesystem::path& data, bool by_itself = true);
  ~Catalogue();
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  /// Those of all flows, as they are now.
  std::vector<catalogue::Dataset> datasets() const;
  catalogue::Facts facts(const catalogue::Dataset& dataset) const;
  /// As JSON: in short, or all there is.
  boost::json::object summary(const catalogue::Dataset& dataset) const;
  boost::json::object full(const catalogue::Dataset& dataset) const;
  std::vector<std::string> flow_names() const;
  /// The event that says what the flow is doing now; nothing if there is no such flow.
  std::optional<boost::json::object> lineage(const std::string& flow, const std::string& type, const std::string& why,
                                             const std::string& name_space, const std::string& version) const;

  /// Looks at how much was written, and asks for a glimpse of what passes where it is time for one.
  void look();
  void save();

 private:
  struct Known {
    std::uint64_t rows = 0, bytes = 0;  ///< of earlier runs, or before the sink was made anew
    std::uint64_t now_rows = 0, now_bytes = 0, now_ended = 0;
    std::int64_t last_write = 0;
    std::uint64_t held = 0;
    std::string status;
    std::map<std::string, catalogue::InferredField> fields;
    std::vector<std::string> order;  ///< of the fields, as they first came
    std::uint64_t looked_at = 0;
    std::vector<boost::json::value> sample;
    std::int64_t sampled = 0;
    std::chrono::steady_clock::time_point next_glimpse{};
    bool glimpsing = false;
  };
  /// What was copied of FlowFiles that passed.
  struct Caught {
    std::string id;
    std::string content;
    std::map<std::string, std::string> attributes;
  };

  struct Inbox {
    std::mutex mutex;
    std::vector<Caught> caught;
  };

  std::vector<std::shared_ptr<const flow::Flow>> flows() const;
  void load();
  void loop();
  void count();
  void ask_for_glimpses();
  void take_in(const Caught& caught);

  engine::Engine& engine_;
  Taps& taps_;
  const std::filesystem::path file_;
  mutable std::mutex mutex_;  ///< of what follows
  std::map<std::string, Known> known_;
  std::map<std::string, catalogue::Dataset> datasets_;  ///< as of the last minute: for look()
  std::chrono::steady_clock::time_point datasets_at_{};
  mutable std::map<std::string, std::string> run_ids_;  ///< by flow, for OpenLineage
  bool broken_ = false;
  std::shared_ptr<Inbox> inbox_;  ///< shared with glimpses that are not over
  std::mutex sleep_mutex_;
  std::condition_variable awake_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace weir::api
